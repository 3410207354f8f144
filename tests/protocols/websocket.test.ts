import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { sha256 } from "./folder.ts";
import { isFullRun } from "./full-run.ts";
import { folderOfProcesses } from "./processes.ts";
import { Rig } from "./rig.ts";

const MESSAGES = isFullRun ? 2_000 : 300;
const BYTES = 50_000;
folderOfProcesses();
const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
let rig: Rig;

beforeAll(async () => {
  // Says the hash of each message, and sends it back.
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer) => {
      socket.send(sha256(data));
      socket.send(data);
    });
  });
  rig = await Rig.start({ ws: (server.address() as AddressInfo).port });
}, 600_000);

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  server.close();
});

test.each(["silent", "killed"] as const)(
  "messages of a WebSocket come whole and in order, both ways, while a line is %s",
  async (fault) => {
    await rig.faulty(fault, (MESSAGES * BYTES) / 2, async () => {
      const socket = new WebSocket(`ws://${rig.address("ws")}`);
      await once(socket, "open");
      const hashes = Array.from({ length: MESSAGES }, () => {
        const message = randomFillSync(Buffer.allocUnsafe(BYTES));
        socket.send(message);
        return sha256(message);
      });
      const got: string[] = [];
      await new Promise<void>((resolve, reject) => {
        socket.on("error", reject);
        socket.on("close", () => reject(new Error("it closed")));
        socket.on("message", (data: Buffer, isBinary) => {
          got.push(isBinary ? sha256(data) : data.toString());
          if (got.length === 2 * MESSAGES) resolve();
        });
      });
      expect(got).toEqual(hashes.flatMap((hash) => [hash, hash]));
      socket.removeAllListeners("close");
      socket.close();
      await once(socket, "close");
    });
  },
);
