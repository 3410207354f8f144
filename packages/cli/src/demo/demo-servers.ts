import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, link, mkdir, mkdtemp } from "node:fs/promises";
import { constants, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { initCluster, type IssuedServer, issueServer } from "@kwik/trust";
import { CommandError, ExitStatus } from "../exit-status.ts";

/** Time for a server process to say that it is ready, in milliseconds. */
const READY_MS = 15_000;

const kwikScript = fileURLToPath(new URL(`../main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));

/** One `kwik serve` process of the demo. */
export interface DemoServer {
  readonly name: string;
  /** "host:port" */
  readonly address: string;
  readonly child: ChildProcess;
}

/** A folder of its own, a cluster in it, and server processes that end with this one, whatever happens. */
export class DemoServers implements AsyncDisposable {
  readonly directory: string;
  readonly caFile: string;
  readonly #children: ChildProcess[] = [];
  readonly #onExit = (): void => this.#end();

  private constructor(directory: string, caFile: string) {
    this.directory = directory;
    this.caFile = caFile;
    process.once("exit", this.#onExit);
  }

  /** Makes folder and cluster. */
  static async create(): Promise<DemoServers> {
    const directory = await mkdtemp(join(tmpdir(), "kwik-demo-"));
    try {
      const { caFile } = await initCluster(join(directory, "cluster"));
      return new DemoServers(directory, caFile);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts a server with a key and a copy of the file of its own; resolves when it is ready. */
  async start(name: string, file: string, rate: string, peers: readonly string[]): Promise<DemoServer> {
    const issued = await issueServer(join(this.directory, "cluster"), { hosts: ["localhost", "127.0.0.1"], name });
    const files = join(this.directory, `files-${name}`);
    await mkdir(files);
    await linkOrCopy(file, join(files, basename(file)));
    const child = spawn(process.execPath, [...process.execArgv, kwikScript, ...serveArguments(files, name, issued, rate, peers)], {
      // The channel tells the server when this process is gone.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#children.push(child);
    return { name, address: await readyAddress(name, child), child };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = this.#children.filter(isRunning).map((child) => once(child, "exit"));
    this.#end();
    await Promise.all(gone);
    process.off("exit", this.#onExit);
  }

  #end(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function serveArguments(files: string, name: string, issued: IssuedServer, rate: string, peers: readonly string[]): string[] {
  const { certFile, keyFile, clusterFile } = issued;
  const flags = ["--listen", "127.0.0.1:0", "--cert", certFile, "--key", keyFile, "--cluster", clusterFile, "--rate", rate, "--name", name];
  return ["serve", files, ...flags, ...peers.flatMap((peer) => ["--peer", peer])];
}

function readyAddress(name: string, child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const fail = (what: string): void => {
      reject(new CommandError(ExitStatus.local, `the demo's server ${name} ${what}${said === "" ? "" : `: ${said.trim()}`}`));
    };
    const timer = setTimeout(() => fail("did not become ready"), READY_MS);
    const listen = (text: string): void => {
      said = (said + text).slice(-2_000);
      const address = /on kwik:\/\/(\S+) identity/.exec(said)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    };
    child.stdout?.setEncoding("utf8").on("data", listen);
    child.stderr?.setEncoding("utf8").on("data", listen);
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("exit", () => {
      clearTimeout(timer);
      fail("ended before it was ready");
    });
  });
}

/** The file stays one on the disk where the file system allows it. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}
