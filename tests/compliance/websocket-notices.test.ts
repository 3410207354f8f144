import { connect } from "node:net";
import { parseAddress } from "@kwik/core";
import type { ListenRequest } from "@kwik/core";
import { encodeDatagram } from "@kwik/proto";
import { webSocketTransport } from "@kwik/transport-websocket";
import type { WebSocketTransportOptions } from "@kwik/transport-websocket";
import { afterEach, expect, test } from "vitest";
import WebSocket from "ws";
import { selfSigned } from "./tls-material.ts";

// What a server tells its operator about connections that came to nothing.

const tls = await selfSigned();
const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function serve(options: WebSocketTransportOptions = {}): Promise<{ port: number; notices: string[] }> {
  const notices: string[] = [];
  const request: ListenRequest = {
    address: { host: "127.0.0.1", port: 0 },
    tls,
    onLink: () => undefined,
    onNotice: (message) => notices.push(message),
  };
  const listener = await webSocketTransport(options).listen(request);
  open.push(listener);
  return { port: parseAddress(listener.address).port, notices };
}

/** Connects, says something, and waits for the end. */
function knock(port: number, words: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(words));
    open.push({ close: () => socket.destroy() });
    socket.on("error", () => undefined).on("close", () => resolve());
    socket.resume();
  });
}

function offer(port: number, origin?: string): WebSocket {
  const ws = new WebSocket(`wss://127.0.0.1:${port}/kwik`, "kwik.1", {
    rejectUnauthorized: false,
    ...(origin === undefined ? {} : { origin }),
  });
  open.push({ close: () => ws.terminate() });
  return ws.on("error", () => undefined);
}

test("of many handshakes that fail the first is told, with its client and the reason", async () => {
  const { port, notices } = await serve();
  for (let i = 0; i < 3; i += 1) await knock(port, "GET / HTTP/1.1\r\n\r\n");
  expect(notices).toEqual([expect.stringMatching(/^refused a connection from 127\.0\.0\.1:\d+: it does not speak TLS/)]);
});

test("a handshake that takes too long is told", async () => {
  const { port, notices } = await serve({ handshakeTimeoutMs: 100 });
  await knock(port, "");
  expect(notices).toEqual([expect.stringMatching(/^refused a connection from 127\.0\.0\.1:\d+: it did not finish its handshake in time$/)]);
});

test("a page of another origin is told", async () => {
  const { port, notices } = await serve();
  const ws = offer(port, "https://evil.example");
  await new Promise((resolve) => ws.once("close", resolve));
  expect(notices).toEqual([expect.stringMatching(/pages of its origin may not connect/)]);
});

test("a link to which nobody attaches is closed with a notice", async () => {
  const { port, notices } = await serve();
  const ws = offer(port);
  ws.once("open", () => ws.send(encodeDatagram(Uint8Array.of(1))));
  await new Promise((resolve) => ws.once("close", resolve));
  expect(notices).toEqual([expect.stringMatching(/^the receiver of a link from 127\.0\.0\.1:\d+ failed: nobody attached to the link$/)]);
});
