import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { copyFile, link, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ListedServer } from "./listing.ts";

const NAMES = ["A", "B", "C"];

/** Three `kwik serve` processes with a key of their own each, that give out one file. They end with this process. */
export class FileServers {
  readonly listed: readonly ListedServer[];
  readonly #children: ReadonlyMap<string, ChildProcess>;

  private constructor(listed: readonly ListedServer[], children: ReadonlyMap<string, ChildProcess>) {
    this.listed = listed;
    this.#children = children;
  }

  /** Starts them; each sends no faster than `rate`, "5MB/s", and to pages of `origin`. */
  static async start(file: string, rate: string, origin: string): Promise<FileServers> {
    const folder = await folderWith(file);
    const children = new Map(NAMES.map((name) => [name, startServer(folder, ["--name", name, "--rate", rate, "--allow-origin", origin])]));
    return new FileServers(await Promise.all([...children].map(([name, child]) => listedServer(name, child))), children);
  }

  /** Ends a server without a word to anybody; resolves when it is gone. False if there is none of that name. */
  async kill(name: string): Promise<boolean> {
    const child = this.#children.get(name);
    if (child === undefined) return false;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    return true;
  }
}

function startServer(folder: string, flags: readonly string[]): ChildProcess {
  const command = fileURLToPath(new URL("kwik-command.ts", import.meta.url));
  // On all addresses: browsers do not take the large packets that a server at a loopback address sends. docs/webtransport.md
  const args = [command, "serve", folder, "--listen", "0.0.0.0:0", "--web", "--json", ...flags];
  // The channel tells the server when this process is gone.
  return spawn(process.execPath, [...process.execArgv, ...args], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
}

/** What it says in its first line. */
async function listedServer(name: string, child: ChildProcess): Promise<ListedServer> {
  if (child.stdout === null) throw new Error("the process has no output");
  for await (const line of createInterface(child.stdout)) {
    const { url, certificate } = JSON.parse(line) as { readonly url: string; readonly certificate: string };
    return { name, address: `127.0.0.1:${url.replace(/^.*:/, "")}`, certificate };
  }
  throw new Error(`the server ${name} ended before it was ready`);
}

/** A folder with nothing else in it, that goes with this process. The file stays one on the disk where the file system allows it. */
async function folderWith(file: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kwik-browser-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const inside = join(folder, basename(file));
  await link(file, inside).catch(() => copyFile(file, inside));
  return folder;
}
