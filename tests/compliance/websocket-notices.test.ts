import { connect } from "node:net";
import { parseAddress } from "@kwik/core";
import { encodeDatagram } from "@kwik/proto";
import { webSocketTransport } from "@kwik/transport-websocket";
import { afterEach, expect, test } from "vitest";
import { offerWebSocket } from "./foreign-websocket.ts";
import { LinkPeers } from "./link-peers.ts";
import { selfSigned } from "./tls-material.ts";

// What a server tells its operator about connections that came to nothing.

const tls = await selfSigned();
const peers = new LinkPeers(webSocketTransport);
afterEach(() => peers.close());

/** Connects, says something, and waits for the end. */
function knock(port: number, words: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(words));
    peers.keep({ close: () => socket.destroy() });
    socket.on("error", () => undefined).on("close", () => resolve());
    socket.resume();
  });
}

test("of many handshakes that fail the first is told, with its client and the reason", async () => {
  const { port, notices } = await peers.serve(tls);
  for (let i = 0; i < 3; i += 1) await knock(port, "GET / HTTP/1.1\r\n\r\n");
  expect(notices).toEqual([expect.stringMatching(/^refused a connection from 127\.0\.0\.1:\d+: it does not speak TLS/)]);
});

test("a handshake that takes too long is told", async () => {
  const { port, notices } = await peers.serve(tls, { handshakeTimeoutMs: 100 });
  await knock(port, "");
  expect(notices).toEqual([expect.stringMatching(/^refused a connection from 127\.0\.0\.1:\d+: it did not finish its handshake in time$/)]);
});

test("a page of another origin is told", async () => {
  const { port, notices } = await peers.serve(tls);
  const { outcome } = peers.keep(offerWebSocket(port, { origin: "https://evil.example" }));
  expect(await outcome).toBe("403");
  expect(notices).toEqual([expect.stringMatching(/pages of its origin may not connect/)]);
});

test("a link to which nobody attaches is closed with a notice", async () => {
  const notices: string[] = [];
  const listener = await webSocketTransport().listen({
    address: { host: "127.0.0.1", port: 0 },
    tls,
    onLink: () => undefined,
    onNotice: (message) => notices.push(message),
  });
  peers.keep(listener);
  const { ws } = peers.keep(offerWebSocket(parseAddress(listener.address).port));
  ws.once("open", () => ws.send(encodeDatagram(Uint8Array.of(1))));
  await new Promise((resolve) => ws.once("close", resolve));
  expect(notices).toEqual([expect.stringMatching(/^the receiver of a link from 127\.0\.0\.1:\d+ failed: nobody attached to the link$/)]);
});
