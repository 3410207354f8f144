import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

const script = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
const children = new Set<ChildProcess>();
let compileCache = "";

/** What a finished `kwik` command left. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** A `kwik` command that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly outcome: Promise<Outcome>;
  /** What it has written to standard error so far. */
  said(): string;
}

export interface StartOptions {
  readonly cwd?: string;
  /** Network namespace to run in. */
  readonly netns?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the `kwik` command from its sources. It ends with this process at the latest. */
export function startKwik(args: readonly string[], options: StartOptions = {}): Running {
  const started = performance.now();
  // `ip netns exec` becomes the program, so that signals and the channel reach it.
  const [command, ...words] = [
    ...(options.netns === undefined ? [] : ["ip", "netns", "exec", options.netns]),
    ...[process.execPath, "--conditions=kwik-source", script, ...args],
  ] as [string, ...string[]];
  const child = spawn(command, words, {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // Reading the sources takes longer than most commands do.
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  children.add(child);
  let stderr = "";
  const stdout: Buffer[] = [];
  child.stdout?.on("data", (data: Buffer) => stdout.push(data));
  child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()));
  const outcome = new Promise<Outcome>((resolve) => {
    child.once("close", (status) => {
      children.delete(child);
      resolve({ status, stdout: Buffer.concat(stdout).toString("latin1"), stderr, seconds: (performance.now() - started) / 1000 });
    });
  });
  return { child, outcome, said: () => stderr };
}

/** Runs the `kwik` command to its end. */
export function kwik(...args: string[]): Promise<Outcome> {
  return startKwik(args).outcome;
}

/** A `kwik serve` process that is ready. */
export interface ServerProcess extends Running {
  /** "kwik://host:port" */
  readonly url: string;
  /** "host:port" */
  readonly address: string;
  /** "sha256:…" */
  readonly identity: string;
  readonly readyLine: string;
}

/** Starts `kwik serve` and waits until it is ready; without --listen at any free port of the loopback. */
export function startServer(dir: string, ...flags: string[]): Promise<ServerProcess> {
  return startServerWith({}, dir, ...flags);
}

export async function startServerWith(options: StartOptions, dir: string, ...flags: string[]): Promise<ServerProcess> {
  const address = flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const running = startKwik(["serve", dir, ...address, ...flags], options);
  const readyLine = await new Promise<string>((resolve, reject) => {
    let said = "";
    running.child.stdout?.on("data", (data: Buffer) => {
      said += data.toString();
      const end = said.indexOf("\n");
      if (end >= 0) resolve(said.slice(0, end));
    });
    void running.outcome.then(({ stderr }) => reject(new Error(`kwik serve ended: ${stderr}`)));
  });
  const match = /on kwik(?:\+[a-z]+)?:\/\/(\S+) identity (sha256:[0-9a-f]{64})$/.exec(readyLine);
  if (match === null) throw new Error(`no ready line: ${readyLine}`);
  return { ...running, readyLine, address: match[1] as string, url: `kwik://${match[1] as string}`, identity: match[2] as string };
}

/** Kills a server and waits until it is gone. */
export async function kill(server: Running): Promise<void> {
  server.child.kill("SIGKILL");
  await server.outcome;
}

/** A folder that goes away with the tests of the file, and every process with it. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kwik-e2e-"));
  compileCache = join(folder, "compile-cache");
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Writes `bytes` random bytes to a file and answers their SHA-256. */
export function writeRandomFile(file: string, bytes: number): string {
  mkdirSync(join(file, ".."), { recursive: true });
  const data = randomFillSync(Buffer.allocUnsafe(bytes));
  writeFileSync(file, data);
  return sha256(data);
}

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

export function sha256OfFile(file: string): string {
  return sha256(readFileSync(file));
}

/** Resolves when a file has at least `bytes`. */
export async function fileReaches(file: string, bytes: number, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!existsSync(file) || statSync(file).size < bytes) {
    if (performance.now() > end) throw new Error(`${file} did not reach ${bytes} bytes in ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The report that `kwik get --json` prints last. */
export interface Report {
  readonly bytes: number;
  readonly seconds: number;
  readonly sha256: string;
  readonly paths: readonly {
    readonly id: number;
    readonly address: string;
    readonly relay?: string;
    readonly transport: string;
    readonly transportChoice: string;
    readonly state: string;
    readonly bytes: number;
  }[];
  readonly resumedFrom: number;
  readonly longestGapMs: number;
  readonly sessions: number;
  readonly suspensions: number;
  readonly isolated: readonly { readonly address: string; readonly code: string; readonly reason: string }[];
}

export function reportOf(outcome: Outcome): Report {
  const line = outcome.stdout.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line) as Report;
  } catch {
    throw new Error(`no report (status ${outcome.status}): ${outcome.stdout}${outcome.stderr}`);
  }
}

/** A cluster's authority in `folder`, and servers of it that are good for this machine. */
export async function issueCluster(folder: string, names: readonly string[]): Promise<void> {
  const steps = [["init", folder], ...names.map((name) => ["issue", folder, "--host", "localhost", "--host", "127.0.0.1", "--name", name])];
  for (const step of steps) {
    const { status, stderr } = await kwik("cluster", ...step);
    if (status !== 0) throw new Error(`kwik cluster ${step.join(" ")} ended with ${status}: ${stderr}`);
  }
}
