import { dial, listen } from "kwik";
import { expect, test } from "vitest";

// B5 and B16 of docs/decisions/0003-quic-engine.md: the engine can lose a FIN, and loses what was written just before a close. So ends are
// said in kwik's frames, and a session closes after kwik's own acknowledgements.

const STREAMS = 200;
const BYTES = 3_000_000;

test("B5: streams that end without a byte arrive, and so do their ends", async () => {
  await using listener = await listen("127.0.0.1:0", { tls: "self-signed" });
  await using client = await dial(listener.url, { trust: { pins: [listener.identity] } });
  const session = await listener.accept();
  const opened = Array.from({ length: STREAMS }, async () => {
    const stream = client.openStream();
    await stream.close();
    return stream.read();
  });
  for (let i = 0; i < STREAMS; i += 1) {
    const stream = await session.acceptStream();
    expect(await stream.read()).toBeNull();
    await stream.close();
  }
  expect(await Promise.all(opened)).toEqual(Array.from({ length: STREAMS }, () => null));
});

test("B16: what was written before a close of the session arrives", async () => {
  await using listener = await listen("127.0.0.1:0", { tls: "self-signed" });
  const client = await dial(listener.url, { trust: { pins: [listener.identity] } });
  const session = await listener.accept();
  const stream = client.openStream();
  void stream.write(new Uint8Array(BYTES));
  void stream.close();
  const closed = client.close();
  let received = 0;
  for await (const data of await session.acceptStream()) received += data.length;
  expect(received).toBe(BYTES);
  await closed;
});
