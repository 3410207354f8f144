// The programs of examples/line-protocol as processes. They end with the tests of the file that imports this.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { testFolder } from "./kwik-process.ts";

/** Goes away with the tests. */
export const folder = testFolder();
const children = new Set<ChildProcess>();
let folderCount = 0;

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface LineProgram {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
  /** Without its line feed; "ended: …" where none came. */
  readonly firstLine: Promise<string>;
}

export function startProgram(program: "client" | "server", args: readonly string[]): LineProgram {
  const script = fileURLToPath(new URL(`../../examples/line-protocol/${program}.ts`, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let stdout = "";
  let stderr = "";
  const firstLine = new Promise<string>((resolve) => {
    child.stdout.on("data", (data: Buffer) => {
      stdout += data.toString();
      if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
    });
    child.once("close", () => resolve(`ended: ${stderr}`));
  });
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  const outcome = new Promise<Outcome>((resolve) => child.once("close", (status) => resolve({ status, stdout, stderr })));
  return { child, outcome, firstLine };
}

export interface LineServer extends LineProgram {
  readonly port: number;
  /** "host:port" */
  readonly address: string;
  /** The folder that it writes to. */
  readonly out: string;
}

/** A server that is ready, with an output folder of its own. */
export async function startLineServer(...flags: string[]): Promise<LineServer> {
  const out = newFolder();
  const running = startProgram("server", ["--port", "0", "--out", out, ...flags]);
  const line = await running.firstLine;
  const [, address, port] = /^listening on (127\.0\.0\.1:(\d+)),/.exec(line) ?? [];
  if (address === undefined) throw new Error(line);
  return { ...running, out, address, port: Number(port) };
}

/** An empty folder inside `folder`. */
export function newFolder(): string {
  folderCount += 1;
  const path = join(folder, `folder-${folderCount}`);
  mkdirSync(path);
  return path;
}

/** The most physical memory that a process had so far, where the system is Linux; 0 when it is gone. */
export function mostMemoryBytes(child: ChildProcess): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
