import { createHash } from "node:crypto";
import { type ClientSession, isKwikError, type ServerSession, type SessionEvent } from "@kwik/core";
import type { TestServer } from "./pair.ts";

/** What happened to a session so far. */
type Watched = { readonly seen: SessionEvent[]; types(...wanted: SessionEvent["type"][]): string[] };

export function watch(session: { events(): AsyncIterable<SessionEvent> }): Watched {
  const seen: SessionEvent[] = [];
  void (async () => {
    for await (const event of session.events()) seen.push(event);
  })();
  return { seen, types: (...wanted) => seen.map((event) => event.type).filter((type) => wanted.includes(type)) };
}

/** A content of which its servers know the hashes beforehand. */
export function film(data: Uint8Array, blockMs = 0) {
  return {
    id: "film",
    version: "1",
    length: BigInt(data.length),
    hashes: async (blockBytes: number) => {
      const hashes: Uint8Array[] = [];
      for (let at = 0; at < data.length; at += blockBytes)
        hashes.push(
          createHash("sha256")
            .update(data.subarray(at, at + blockBytes))
            .digest(),
        );
      return hashes;
    },
    read: async (offset: bigint, length: number) => {
      if (blockMs > 0) await new Promise((resolve) => setTimeout(resolve, blockMs));
      return data.slice(Number(offset), Number(offset) + length);
    },
  };
}

/** How an attempt ended: the code of its error, or "no error". */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: unknown) => (isKwikError(error) ? error.code : String(error)),
  );
}

/** Addresses of the paths of a client that are in a state. */
export function paths(client: ClientSession, state = "active"): string[] {
  return client
    .stats()
    .paths.filter((path) => path.state === state)
    .map((path) => path.address);
}

export async function servedBy(...servers: TestServer[]): Promise<ServerSession[]> {
  return Promise.all(servers.map((server) => server.next()));
}
