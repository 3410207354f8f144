import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { pause } from "../sampling.ts";

const READY_MS = 15_000;
/** Where Debian keeps programs that are not for everybody's PATH. */
const FURTHER_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];

/** The path of a program, or undefined where there is none. */
export function pathOf(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...FURTHER_FOLDERS];
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

/** A user to be, where this process may choose. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The user of that name. Throws where there is none. */
export function userOf(name: string): User {
  const id = (flag: string): number => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** A server that is not kwik's; it ends when disposed of, and with this process. */
export class ForeignServer implements Disposable {
  readonly #child: ChildProcess;
  readonly #onExit = (): void => this[Symbol.dispose]();

  private constructor(child: ChildProcess) {
    this.#child = child;
    process.once("exit", this.#onExit);
  }

  /** Starts it and waits until something listens at each of the ports of 127.0.0.1. */
  static async start(ports: readonly number[], command: string, args: readonly string[], user?: User): Promise<ForeignServer> {
    const child = spawn(command, args, { stdio: "ignore", cwd: "/", ...user });
    child.on("error", () => undefined);
    const server = new ForeignServer(child);
    const end = performance.now() + READY_MS;
    for (const port of ports) {
      while (!(await takesConnections(port))) {
        if (child.exitCode !== null || child.pid === undefined || performance.now() > end) {
          server[Symbol.dispose]();
          throw new Error(`${command} does not listen at port ${port}`);
        }
        await pause(20);
      }
    }
    return server;
  }

  [Symbol.dispose](): void {
    process.removeListener("exit", this.#onExit);
    this.#child.kill("SIGKILL");
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

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const does = await new Promise<boolean>((resolve) => socket.once("connect", () => resolve(true)).once("close", () => resolve(false)));
  socket.destroy();
  return does;
}
