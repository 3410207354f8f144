import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { LabNetwork } from "../lab/network/lab-network.ts";
import { withLines } from "../lab/network/with-lines.ts";
import { patternAt } from "../lab/process/arrival-log.ts";
import { HostProcess } from "../lab/process/host-process.ts";
import type { HttpTargetReady } from "../lab/roles/http-target.ts";
import type { Measurement } from "../measurement.ts";
import { type HostCommand, startHostCommand } from "../process/host-command-process.ts";
import { median, pause } from "../sampling.ts";

/** Each of the three ways begins with one; from the relays on it is as fast as the machine. */
const LINE = { megabitsPerSecond: 100, roundTripMs: 20 };
const RELAYS = [1, 2];
const HOME = 0;
const PORT = 4433;
/** Long enough that the beginning is a small part. */
const BYTES = 200e6;
const LINE_BYTES = 60e6;
const ROUNDS = 3;
const CURL_TIMEOUT_SECONDS = 60;
const MB = 1e6;

type Direction = "upload" | "download";

/** An upload and a download by curl, striped over a direct line and two relayed ones, against the sum of what plain TCP makes of the lines. */
export function relay(): Promise<Measurement[]> {
  const lines = [LINE, ...RELAYS.map(() => LINE)];
  return withLines({ name: "relay", topology: "relays", lines, programs: ["curl"] }, (network, folder) =>
    measured(network, writePattern(join(folder, "body"), BYTES), writePattern(join(folder, "short"), LINE_BYTES)),
  );
}

async function measured(network: LabNetwork, body: string, short: string): Promise<Measurement[]> {
  using target = await HostProcess.start(network, HOME, "http-target");
  const { port } = target.ready as HttpTargetReady;
  const curl = (base: string, direction: Direction, file: string, bytes: number): Promise<number> =>
    transferred(network, base, direction, file, bytes);
  const rounds = async (base: string, direction: Direction): Promise<number> => {
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rates.push(await curl(base, direction, body, BYTES));
    return median(rates);
  };
  const plain = `http://${network.serverAddress(HOME)}:${port}`;
  const line = { upload: await curl(plain, "upload", short, LINE_BYTES), download: await curl(plain, "download", short, LINE_BYTES) };

  using routes = await Routes.start(network, port);
  const memoryAtStart = routes.mostMemoryOf(1);
  const alone = await routes.proxy(false);
  const aloneRate = await curl(alone.base, "upload", short, LINE_BYTES);
  alone.stop();
  const striped = await routes.proxy(true);
  const measurements: Measurement[] = [];
  for (const direction of ["upload", "download"] as const) {
    const before = routes.carried();
    const rate = await rounds(striped.base, direction);
    const shares = routes.carried().map((bytes, index) => (bytes - (before[index] ?? 0)) / (ROUNDS * BYTES));
    measurements.push({
      name: `relay: ${direction} by curl, a direct line and two relayed ones of ${LINE.megabitsPerSecond} Mbit/s`,
      value: rate / MB,
      unit: "MB/s",
      raw: (3 * line[direction]) / MB,
      ratio: rate / (3 * line[direction]),
      bar: { kind: "at least", limit: 0.9 },
      note: `raw is three times curl alone over one line; through the relays ${shares.map((share) => `${(share * 100).toFixed(0)} %`).join(" and ")}`,
    });
  }
  const killed = curl(striped.base, "upload", body, BYTES);
  await pause((BYTES / (3 * line.upload)) * 333);
  routes.killRelay(0);
  return [
    ...measurements,
    {
      name: "relay: upload, the direct line alone",
      value: aloneRate / MB,
      unit: "MB/s",
      raw: line.upload / MB,
      ratio: aloneRate / line.upload,
    },
    { name: "relay: upload, a relay killed at a third", value: (await killed) / MB, unit: "MB/s", note: "every byte compared" },
    {
      name: "relay: memory of the other relay at its most, beyond what it began with",
      value: (routes.mostMemoryOf(1) - memoryAtStart) / MB,
      unit: "MB",
      note: `it began with ${(memoryAtStart / MB).toFixed(0)} MB`,
    },
  ];
}

/** Bytes per second of one transfer. Rejects when other bytes came, or not all. */
async function transferred(network: LabNetwork, base: string, direction: Direction, file: string, bytes: number): Promise<number> {
  const up = ["-T", file, `${base}/up`];
  const down = ["-o", "/dev/null", `${base}/${bytes}`];
  const words = ["curl", "-sS", "--fail", "-m", `${CURL_TIMEOUT_SECONDS}`, "-w", "\n%{time_total} %{size_download}"];
  using curl = await startHostCommand(network, "client", [...words, ...(direction === "upload" ? up : down)]);
  const said = await curl.finished();
  const [, seconds = "0", size = "0"] = /\n([\d.]+) (\d+)$/.exec(said) ?? [];
  const isWhole = direction === "upload" ? said.includes(`"bytes":${bytes},"wrongBytes":0,`) : Number(size) === bytes;
  if (!isWhole) throw new Error(`curl's ${direction} was not whole: ${said}`);
  return bytes / Number(seconds);
}

/** A gateway at the home, the relays, and proxies at the client. */
class Routes implements Disposable {
  readonly #network: LabNetwork;
  readonly #target: number;
  readonly #gateway: HostCommand;
  readonly #relays: readonly HostCommand[];
  readonly #proxies: HostCommand[] = [];

  private constructor(network: LabNetwork, target: number, gateway: HostCommand, relays: readonly HostCommand[]) {
    this.#network = network;
    this.#target = target;
    this.#gateway = gateway;
    this.#relays = relays;
  }

  static async start(network: LabNetwork, target: number): Promise<Routes> {
    const listen = ["--listen", `0.0.0.0:${PORT}`, "--self-signed", "--json"];
    const gateway = await startHostCommand(network, HOME, ["kwik", "gateway", ...listen, "--allow", `127.0.0.1:${target}`]);
    const relays: HostCommand[] = [];
    for (const host of RELAYS) {
      const flags = ["--home", `${network.serverAddress(HOME)}:${PORT}`, "--metrics", "127.0.0.1:9100"];
      relays.push(await startHostCommand(network, host, ["kwik", "relay", ...listen, ...flags]));
    }
    await Promise.all([gateway, ...relays].map((one) => one.firstLine()));
    return new Routes(network, target, gateway, relays);
  }

  /** Resolves when all its paths are there. */
  async proxy(isRelayed: boolean): Promise<{ readonly base: string; stop(): void }> {
    const identityOf = async (one: HostCommand): Promise<string> => (JSON.parse(await one.firstLine()) as { identity: string }).identity;
    const flags = ["-L", `0:127.0.0.1:${this.#target}`, "--pin", await identityOf(this.#gateway), "--json"];
    const relays = await Promise.all(
      this.#relays.map(
        async (one, index) => `kwik://${this.#network.serverAddress(RELAYS[index] as number)}:${PORT}#${await identityOf(one)}`,
      ),
    );
    if (isRelayed) flags.push(...relays.flatMap((relay) => ["--relay", relay]));
    const home = `kwik://${this.#network.serverAddress(HOME)}:${PORT}`;
    const proxy = await startHostCommand(this.#network, "client", ["kwik", "proxy", home, ...flags]);
    this.#proxies.push(proxy);
    const { listeners } = JSON.parse(await proxy.firstLine()) as { listeners: readonly { address: string }[] };
    if (isRelayed) for (const host of RELAYS) await proxy.says(`${this.#network.serverAddress(host)}:${PORT}"`);
    return { base: `http://${listeners[0]?.address ?? ""}`, stop: () => proxy.kill() };
  }

  /** Bytes through each relay so far, in both directions. */
  carried(): number[] {
    return RELAYS.map((host) => {
      const text = this.#network.run(host, "curl", "-sS", "http://127.0.0.1:9100/metrics");
      const values = [...text.matchAll(/^kwik_relay_(?:sent|received)_bytes_total (\d+)$/gm)];
      return values.reduce((sum, [, value]) => sum + Number(value), 0);
    });
  }

  killRelay(index: number): void {
    this.#relays[index]?.kill();
  }

  /** Of a relay's process, in bytes. */
  mostMemoryOf(index: number): number {
    const status = readFileSync(`/proc/${this.#relays[index]?.pid ?? 0}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  [Symbol.dispose](): void {
    for (const one of [...this.#proxies, ...this.#relays, this.#gateway]) one.kill();
  }
}

/** Writes a file of the laboratory's pattern; answers its path. */
function writePattern(path: string, bytes: number): string {
  const file = openSync(path, "w");
  const blockBytes = 256 * 1024;
  for (let at = 0; at < bytes; at += blockBytes) writeSync(file, patternAt(at, Math.min(blockBytes, bytes - at)));
  closeSync(file);
  return path;
}
