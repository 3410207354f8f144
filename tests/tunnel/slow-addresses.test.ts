import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { openTunnel } from "@kwik/tunnel";
import { expect, test } from "vitest";
import { TunnelBench } from "./gateway-pair.ts";

const TARGET = fileURLToPath(new URL("slow-address-target.ts", import.meta.url));

/** Whether a connection to this port of the loopback waits for its first answer. */
function isAsking(port: number): boolean {
  const place = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .some((line) => line.trim().split(/\s+/)[2] === place && line.trim().split(/\s+/)[3] === "02");
}

test("an attempt at an address that is slow to answer goes on beside the next one, and wins if that leads nowhere", async (context) => {
  if (process.platform !== "linux") return context.skip("needs /proc/net/tcp and a queue of connections as Linux has it");
  await using bench = new TunnelBench();
  const target = fork(TARGET, { execArgv: [] });
  try {
    const [{ port }] = (await once(target, "message")) as [{ port: number }];
    // It takes nothing more now: the system drops what asks for a connection, which is repeated after a second.
    target.kill("SIGSTOP");
    const fillers = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
    await Promise.all(fillers.map((socket) => once(socket, "connect")));
    const { server } = await bench.gateway({
      allow: ["slow.example:*", "127.0.0.0/8:*"],
      resolve: () => Promise.resolve(["127.0.0.1", "127.0.0.9"]),
    });
    const tunnel = await openTunnel(await bench.cluster.dial(server), { kind: "tcp", host: "slow.example", port });
    await expect.poll(() => isAsking(port), { interval: 5 }).toBe(true);
    target.kill("SIGCONT");
    expect(await tunnel.connected).toMatchObject({ host: "127.0.0.1" });
    for (const socket of fillers) socket.destroy();
  } finally {
    target.kill("SIGKILL");
  }
});
