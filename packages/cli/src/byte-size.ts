import { CommandError, ExitStatus } from "./exit-status.ts";

const bytesPerUnit: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  bit: 1 / 8,
  kbit: 1e3 / 8,
  mbit: 1e6 / 8,
  gbit: 1e9 / 8,
};

/** Bytes per second of `20MB/s` (10^6 bytes), `20MiB/s` (2^20 bytes) or `160mbit/s`. Throws a usage error for anything else. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)\/s$/.exec(text.trim());
  const unit = bytesPerUnit[match?.[2]?.toLowerCase() ?? ""];
  const rate = unit === undefined ? 0 : Number(match?.[1]) * unit;
  if (rate >= 1) return rate;
  throw new CommandError(ExitStatus.usage, `"${text}" is not a rate; write for instance 20MB/s, 20MiB/s or 160mbit/s`);
}

const steps = ["B", "kB", "MB", "GB", "TB"];

/** "12.3 MB": decimal units, three digits. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let step = 0;
  while (value >= 999.5 && step < steps.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = step === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${steps[step] as string}`;
}

/** "12.3 MB/s" */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** "8.3 s", "2 min 05 s", "1 h 02 min" */
export function formatSeconds(seconds: number): string {
  if (seconds < 99.95) return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
}
