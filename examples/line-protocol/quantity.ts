import { parseDecimal } from "./decimal-number.ts";
import { ExitStatus, ProgramError } from "./exit-status.ts";

const bytesPerUnit: Readonly<Record<string, number>> = { "": 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000 };

/** Bytes of "16KiB", "64kB" or "4096". Throws a usage error for anything else. */
export function parseBytes(flag: string, text: string): number {
  return parseWithUnit(flag, text, bytesPerUnit, "16KiB, 64kB or 4096");
}

/** Milliseconds of "500ms", "30s" or "2min". Throws a usage error for anything else. */
export function parseDurationMs(flag: string, text: string): number {
  return parseWithUnit(flag, text, msPerUnit, "500ms, 30s or 2min");
}

/** A whole number within bounds. Throws a usage error for anything else. */
export function parseCount(flag: string, text: string, min: number, max: number): number {
  const count = parseDecimal(text);
  if (count !== undefined && count >= min && count <= max) return count;
  throw new ProgramError(ExitStatus.usage, `--${flag} ${text}: give a number from ${min} to ${max}`);
}

/** "16 KiB" where that is exact, else "1.2 MB". */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [["MiB", 2 ** 20] as const, ["KiB", 2 ** 10] as const]) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size} ${unit}`;
  }
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** "30 s" or "500 ms" */
export function formatDuration(ms: number): string {
  return ms >= 1_000 && ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
}

function parseWithUnit(flag: string, text: string, units: Readonly<Record<string, number>>, examples: string): number {
  const match = /^([0-9]{1,12})([A-Za-z]*)$/.exec(text);
  const size = units[match?.[2] ?? "?"];
  const value = Number(match?.[1]) * (size ?? Number.NaN);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ProgramError(ExitStatus.usage, `--${flag} ${text}: write for instance ${examples}`);
}
