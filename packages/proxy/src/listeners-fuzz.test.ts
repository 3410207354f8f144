import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { fuzz, fuzzBudget, type FuzzCorpus, pieces } from "@kwik/testkit";
import { afterAll, expect, test } from "vitest";
import { LocalProxy } from "./local-proxy.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
/** Against hanging: it has sent everything and ended, so there is nothing to wait for. */
const CLOSED_WITHIN_MS = 30_000;

// There is never a session: what asks rightly is told that no gateway can be reached.
const proxy = new LocalProxy({
  dial: () => Promise.reject(new Error("nobody dials here")),
  limits: { sessionWaitMs: 1, handshakeTimeoutMs: 2_000 },
});
afterAll(() => proxy[Symbol.asyncDispose]());

/** What is answered to these bytes, until the other side closes. */
async function answerTo(port: number, parts: readonly Uint8Array[]): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  socket.setTimeout(CLOSED_WITHIN_MS, () => socket.destroy(new Error("the connection stays open")));
  const got: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.on("data", (data: Buffer) => got.push(data));
    socket.once("end", () => socket.destroy());
    socket.once("close", () => resolve());
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Who is not listened to any more may be told so by a reset.
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    for (const part of parts) socket.write(part);
    socket.end();
  });
  return Buffer.concat(got);
}

test("the HTTP listener answers any bytes with HTTP or closes, and goes on listening", async () => {
  const bound = await proxy.http({ host: "127.0.0.1", port: 0 });
  const port = "port" in bound ? bound.port : 0;
  await fuzz(
    {
      corpus: corpora["http"] ?? {},
      read: async (input, cut) => {
        const answer = await answerTo(port, pieces(input, cut));
        if (answer.length > 0) expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.[01] [1-5]\d\d /);
        // Nothing but a refusal: there is no gateway.
        expect(answer.toString("latin1")).not.toMatch(/^HTTP\/1\.[01] 2/);
      },
    },
    fuzzBudget(),
  );
});

test("the SOCKS listener answers any bytes with SOCKS or closes, and goes on listening", async () => {
  const bound = await proxy.socks5({ host: "127.0.0.1", port: 0 });
  const port = "port" in bound ? bound.port : 0;
  await fuzz(
    {
      corpus: corpora["socks"] ?? {},
      read: async (input, cut) => {
        const answer = await answerTo(port, pieces(input, cut));
        if (answer.length > 0) expect(answer[0]).toBe(5);
        // The second message is the reply to a request, which cannot succeed but for an association.
        if (answer.length > 2 && input[4] !== 3) expect(answer[3]).not.toBe(0);
      },
    },
    fuzzBudget(),
  );
});
