import { expect, test } from "vitest";
import { bytes, TestCluster } from "./pair.ts";
import { codeOf } from "./watching.ts";

test("numbers that no frame can carry are refused where they are given", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  for (const code of [-1, 1.5, Number.NaN, 2 ** 53]) {
    expect(() => stream.reset(code)).toThrow(/code/);
    expect(() => stream.stopReading(code)).toThrow(/code/);
    expect(await codeOf(client.closeWithError(code, ""))).toBe("INVALID_ARGUMENT");
  }
  for (const priority of [-1, 256, 1.5, Number.NaN]) {
    expect(() => client.openStream({ priority })).toThrow(/priority/);
    expect(() => {
      stream.priority = priority;
    }).toThrow(/priority/);
  }
  expect(stream.priority).toBe(128);
  expect(() => server.contribute({ streamId: -3n, offset: 0n })).toThrow(/stream/);
  expect(() => server.contribute({ streamId: 2n ** 60n, offset: 0n })).toThrow(/stream/);
  await stream.write(bytes("alive"));
  const accepted = await server.acceptStream();
  expect(new TextDecoder().decode((await accepted.read()) ?? undefined)).toBe("alive");
  await client.closeWithError(3, "r".repeat(2_000_000));
  expect((await server.closed).errorCode).toBe(3);
});

test("an offer that no client would take is refused to the one who makes it", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = server.openStream();
  const source = { version: "1", length: 10n, read: async (_: bigint, length: number) => new Uint8Array(length) };
  expect(await codeOf(stream.sendContent({ ...source, id: "" }))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(stream.sendContent({ ...source, id: "x".repeat(2_000_000) }))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(stream.sendContent({ ...source, id: "x", length: 2n ** 60n }))).toBe("INVALID_ARGUMENT");
  await stream.write(bytes("fine"));
  await stream.close();
  let text = "";
  for await (const data of await client.acceptStream()) text += new TextDecoder().decode(data);
  expect(text).toBe("fine");
});

test("bytes can be left out as long as the stream goes on, and within what has an offset", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  expect(() => client.openStream().skip(5)).toThrow(expect.objectContaining({ code: "NOT_SUPPORTED" }));
  const [open, closed, reset] = [server.openStream(), server.openStream(), server.openStream()];
  for (const count of [-1, 1.5, Number.NaN, 2 ** 53])
    expect(() => open.skip(count)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  open.skip(Number.MAX_SAFE_INTEGER);
  expect(() => open.skip(1)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  void closed.close();
  expect(() => closed.skip(5)).toThrow(expect.objectContaining({ code: "CLOSED" }));
  reset.reset(4);
  expect(() => reset.skip(5)).toThrow(expect.objectContaining({ code: "APPLICATION" }));
});
