import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Measurement } from "../measurement.ts";
import { pause } from "../sampling.ts";

const SERVERS = 3;
/** Long enough that beginning and end are less than the twentieth that the bar leaves. */
const FILE_BYTES = 400e6;
const RATE = "20MB/s";
const READY_MS = 15_000;
const GET_TIMEOUT_MS = 40_000;
const MB = 1e6;

/** The last line of `kwik get --json`, as far as it is used here. */
interface GetReport {
  readonly bytes: number;
  readonly seconds: number;
  readonly sha256: string;
  readonly longestGapMs?: number;
}

/** One file over three `kwik serve` processes of 20 MB/s each, and the same with one of them killed half-way. */
export async function get(): Promise<Measurement[]> {
  const script = process.argv[1];
  if (script === undefined || !/^(kwik(\.js)?|main\.[jt]s)$/.test(basename(script))) {
    throw new Error("it starts the kwik command itself; run it as `kwik bench get`");
  }
  await using servers = await GetServers.start([...process.execArgv, script]);
  // The first download waits until each server has hashed the file.
  await servers.fetch("first");
  const whole = await servers.fetch("whole");
  const killed = servers.fetch("killed");
  await pause((FILE_BYTES / (SERVERS * 20 * MB)) * 500);
  servers.killLast();
  const report = await killed;
  return [
    { name: "get: three servers of 20 MB/s", value: whole.bytes / MB / whole.seconds, unit: "MB/s", bar: { kind: "at least", limit: 57 } },
    { name: "get: one killed half-way", value: report.bytes / MB / report.seconds, unit: "MB/s", note: "bytes verified" },
    { name: "get: longest gap then", value: report.longestGapMs ?? 0, unit: "ms" },
  ];
}

/** Server processes and their files; all of it goes when it is disposed of. */
class GetServers implements AsyncDisposable {
  readonly #command: readonly string[];
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];
  readonly #urls: string[] = [];
  #sha256 = "";
  readonly #onExit = (): void => this.#end();

  private constructor(command: readonly string[], directory: string) {
    this.#command = command;
    this.#directory = directory;
    process.once("exit", this.#onExit);
  }

  static async start(command: readonly string[]): Promise<GetServers> {
    const servers = new GetServers(command, await mkdtemp(join(tmpdir(), "kwik-bench-")));
    try {
      const files = join(servers.#directory, "files");
      await mkdir(files);
      servers.#sha256 = writeFile(join(files, "file.bin"));
      for (let i = 0; i < SERVERS; i += 1) await servers.#serve(files);
      return servers;
    } catch (error) {
      servers.#end();
      throw error;
    }
  }

  /** Fetches the file over all servers and checks what came. */
  async fetch(name: string): Promise<GetReport> {
    const output = join(this.#directory, name);
    const others = this.#urls.slice(1).flatMap((url) => ["--from", url]);
    const args = ["get", `${this.#urls[0] ?? ""}/file.bin`, ...others, "--insecure", "--json", "--quiet", "-o", output];
    const child = spawn(process.execPath, [...this.#command, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    const text = await lineOf(child, /^\{.*\}$/m, GET_TIMEOUT_MS);
    rmSync(output, { force: true });
    const report = JSON.parse(text) as GetReport;
    if (report.sha256 !== this.#sha256) throw new Error(`kwik get fetched other bytes than were served (sha256 ${report.sha256})`);
    return report;
  }

  killLast(): void {
    this.#children[SERVERS - 1]?.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  async #serve(files: string): Promise<void> {
    const args = ["serve", files, "--listen", "127.0.0.1:0", "--self-signed", "--rate", RATE];
    const child = spawn(process.execPath, [...this.#command, ...args], { stdio: ["ignore", "pipe", "ignore", "ipc"] });
    this.#children.push(child);
    const line = await lineOf(child, /^kwik: serving .*$/m, READY_MS);
    this.#urls.push(/kwik:\/\/\S+/.exec(line)?.[0] ?? "");
  }

  #end(): void {
    process.removeListener("exit", this.#onExit);
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** The first line on standard output that matches. */
function lineOf(child: ChildProcess, pattern: RegExp, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`a kwik process said nothing within ${timeoutMs} ms`)), timeoutMs);
    child.stdout?.on("data", (data: Buffer) => {
      text += data.toString();
      const match = pattern.exec(text);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match[0]);
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`a kwik process ended with status ${code ?? "of a signal"} before it was ready`));
    });
  });
}

/** Writes the file of random bytes; answers its SHA-256. */
function writeFile(path: string): string {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(1024 * 1024);
  const file = openSync(path, "w");
  for (let left = FILE_BYTES; left > 0; left -= piece.length) {
    randomFillSync(piece);
    const part = left < piece.length ? piece.subarray(0, left) : piece;
    hash.update(part);
    writeSync(file, part);
  }
  closeSync(file);
  return hash.digest("hex");
}
