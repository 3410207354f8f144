import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jsonLineOf } from "./json-line.ts";
import { kwikCommand } from "./kwik-command.ts";

/** Time for a server process to say that it is ready, in milliseconds. */
const READY_MS = 15_000;

export interface FileServersOptions {
  readonly count: number;
  readonly fileBytes: number;
  /** Of each server, "20MB/s". */
  readonly rate: string;
  /** Further flags of `kwik serve`, with --listen. */
  readonly flags: readonly string[];
  /** What each process is started by, "ip netns exec NAME" for instance; nothing by default. */
  readonly by?: readonly string[];
}

/** What a server says of itself with --json. */
export interface ServedFile {
  /** "kwik://host:port" */
  readonly url: string;
  /** PEM */
  readonly certificate: string;
}

/** `kwik serve` processes that give out one file of random bytes; all of it goes when it is disposed of. */
export class FileServers implements AsyncDisposable {
  readonly fileName = "file.bin";
  readonly directory: string;
  readonly served: ServedFile[] = [];
  /** A program and its first arguments. */
  readonly #command: readonly string[];
  readonly #children: ChildProcess[] = [];
  #sha256 = "";
  readonly #onExit = (): void => this.#end();

  private constructor(command: readonly string[], directory: string) {
    this.#command = command;
    this.directory = directory;
    process.once("exit", this.#onExit);
  }

  /** Works in the kwik command only, which it starts again. */
  static async start({ count, fileBytes, rate, flags, by = [] }: FileServersOptions): Promise<FileServers> {
    const servers = new FileServers([...by, process.execPath, ...kwikCommand()], await mkdtemp(join(tmpdir(), "kwik-bench-")));
    try {
      const files = join(servers.directory, "files");
      await mkdir(files);
      servers.#sha256 = writeFile(join(files, servers.fileName), fileBytes);
      for (let i = 0; i < count; i += 1) await servers.#serve(files, ["--rate", rate, ...flags]);
      return servers;
    } catch (error) {
      servers.#end();
      throw error;
    }
  }

  /** Of the file, in hex. */
  get sha256(): string {
    return this.#sha256;
  }

  kill(index: number): void {
    this.#children[index]?.kill("SIGKILL");
  }

  /** Runs another kwik command; answers the line of JSON that it prints. */
  run(args: readonly string[], timeoutMs: number): Promise<string> {
    const child = this.#spawn(args, ["ignore", "pipe", "inherit"]);
    return jsonLineOf(child, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  async #serve(files: string, flags: readonly string[]): Promise<void> {
    const child = this.#spawn(["serve", files, "--self-signed", "--json", ...flags], ["ignore", "pipe", "ignore", "ipc"]);
    this.served.push(JSON.parse(await jsonLineOf(child, READY_MS)) as ServedFile);
  }

  #spawn(args: readonly string[], stdio: StdioOptions): ChildProcess {
    const [program = "", ...first] = this.#command;
    const child = spawn(program, [...first, ...args], { stdio });
    this.#children.push(child);
    return child;
  }

  #end(): void {
    process.removeListener("exit", this.#onExit);
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Writes the file of random bytes; answers its SHA-256. */
function writeFile(path: string, bytes: number): string {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(1024 * 1024);
  const file = openSync(path, "w");
  for (let left = bytes; left > 0; left -= piece.length) {
    randomFillSync(piece);
    const part = left < piece.length ? piece.subarray(0, left) : piece;
    hash.update(part);
    writeSync(file, part);
  }
  closeSync(file);
  return hash.digest("hex");
}
