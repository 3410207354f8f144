import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ServerAddress } from "@kwik/core";
import type { ServerMaterial } from "./tls-material.ts";

export interface ChildServer {
  readonly address: ServerAddress;
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  kill(): void;
}

/** What the servers beside this file can listen with. */
export type ChildTransport = "quic" | "webtransport" | "tcp" | "plaintext tcp" | "websocket" | "plaintext websocket";

/** Starts one of the servers beside this file in a process of its own. */
export async function startChildServer(
  script: string,
  tls: ServerMaterial,
  transport: ChildTransport = "quic",
  host = "127.0.0.1",
): Promise<ChildServer> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), [], {
    execArgv: ["--conditions=kwik-source"],
    env: { ...process.env, TEST_CERT: tls.cert, TEST_KEY: tls.key, TEST_TRANSPORT: transport, TEST_HOST: host },
  });
  const [address] = (await once(child, "message")) as [ServerAddress];
  return {
    address,
    pid: child.pid ?? 0,
    signal: (name) => void child.kill(name),
    kill: () => void child.kill("SIGKILL"),
  };
}
