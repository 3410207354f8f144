import { expect, test } from "vitest";
import type { NativeClient, NativeServer, NativeSendOutcome } from "./binding.ts";
import { ClientConnection } from "./client-connection.ts";
import { COMMON_OPTIONS } from "./options.ts";
import { ServerConnection } from "./server-connection.ts";

// The settings that keep clear of the engine's faults, and the calls that must never be made. docs/decisions/0003-quic-engine.md

/** The engine's own default. */
const CONNECTION_WINDOW_BYTES = 100_000_000;

test("B8: the connection window is the engine's own or larger", () => {
  const given = new Map<string, unknown>(Object.entries(COMMON_OPTIONS)).get("initialMaxData") ?? CONNECTION_WINDOW_BYTES;
  expect(given).toBeGreaterThanOrEqual(CONNECTION_WINDOW_BYTES);
});

test("B12: the runtime is neither wasm nor left to the engine", () => {
  expect(COMMON_OPTIONS.runtimeMode).toBe("portable");
});

test("B5: nothing that a link can be told to do sends a FIN", () => {
  const fins: boolean[] = [];
  const taken = (data: Uint8Array, fin: boolean): NativeSendOutcome => {
    fins.push(fin);
    return { status: 0, written: data.length };
  };
  const client: Partial<NativeClient> = {
    streamSend: (_id, data, fin) => taken(data, fin),
    streamClose: () => true,
    close: () => true,
    requestShutdown: () => true,
    joinWorker: () => undefined,
  };
  const server: Partial<NativeServer> = {
    streamSend: (_handle, _id, data, fin) => taken(data, fin),
    streamClose: () => true,
    closeSession: () => true,
    getSessionMetrics: () => ({ packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, handshakeTimeMs: 1, rttMs: 1, cwnd: 1, pmtu: 1 }),
  };
  const accepted = new ServerConnection(server as NativeServer, 1);
  accepted.identify();
  const ends = [new ClientConnection(client as NativeClient), accepted];
  for (const end of ends) {
    end.send(0, new Uint8Array(10));
    end.send(0, new Uint8Array(0));
    end.resetStream(0, 1);
    end.close(0, "");
  }
  expect(fins).toEqual([false, false, false, false]);
});
