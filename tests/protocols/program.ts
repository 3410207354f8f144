import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

/** A bound against hanging. */
const LIMIT_MS = 240_000;
const WAIT_MS = 60_000;

export interface ProgramOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Name of the user to be, where this process may choose. */
  readonly user?: string;
}

/** What a program did that has ended well. */
export interface Ran {
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a program to its end. Fails unless that is status 0. */
export async function run(command: string, args: readonly string[], options: ProgramOptions = {}): Promise<Ran> {
  const child = start(command, args, options, "pipe");
  const parts: Buffer[] = [];
  let stderr = "";
  child.stdout?.on("data", (part: Buffer) => parts.push(part));
  child.stderr?.on("data", (data: Buffer) => (stderr += data.toString()));
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const [status, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  const stdout = Buffer.concat(parts);
  if (status !== 0) {
    const said = `${stderr.slice(-2_000)}${stdout.subarray(-2_000).toString("latin1")}`;
    throw new Error(`${command} ${args.slice(0, 12).join(" ")} ended with ${status ?? signal}: ${said}`);
  }
  return { stdout, stderr };
}

/** A server that runs until it is stopped. */
export interface Server extends AsyncDisposable {
  readonly port: number;
}

/** Starts a server program that listens at a port of 127.0.0.1, and waits until it takes connections. */
export async function serve(port: number, command: string, args: readonly string[], options: ProgramOptions = {}): Promise<Server> {
  const child = start(command, args, options, "ignore");
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (data: Buffer) => (said = `${said}${data.toString()}`.slice(-4_000)));
  const ended = once(child, "exit");
  const isUp = async (): Promise<boolean> => {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${said}`);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    const up = await new Promise<boolean>((resolve) => socket.once("connect", () => resolve(true)).once("close", () => resolve(false)));
    socket.destroy();
    return up;
  };
  await eventually(isUp);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Asks until the answer is yes; rejects after a bound against hanging. Tests have `expect.poll`, which their hooks have not. */
export async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`it did not become so within ${WAIT_MS} ms: ${isSo.toString().slice(0, 500)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function start(command: string, args: readonly string[], { env, cwd, user }: ProgramOptions, stdin: "pipe" | "ignore"): ChildProcess {
  const child = spawn(command, args, {
    stdio: [stdin, "pipe", "pipe"],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : idsOf(user)),
  });
  child.on("error", () => undefined);
  // Whatever happens to this process, it ends too.
  const stop = (): void => void child.kill("SIGKILL");
  process.once("exit", stop);
  child.once("exit", () => process.off("exit", stop));
  return child;
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string): number => Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
