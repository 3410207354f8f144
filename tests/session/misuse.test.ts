import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { bytes, TestCluster, textOf } from "./pair.ts";
import { codeOf } from "./watching.ts";

/** What JavaScript can hand over in the place of bytes. */
const NO_BYTES = ["hello", new ArrayBuffer(4), new Uint16Array([1, 2]), new DataView(new ArrayBuffer(3)), 7, null, undefined] as never[];

test("what is no bytes is refused by everything that sends, and nothing of it is sent", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  const contribution = server.contribute({ streamId: server.openStream().id, offset: 0n });
  const path = server.allPaths()[0]?.id ?? -1;
  for (const value of NO_BYTES) {
    expect(await codeOf(stream.write(value))).toBe("INVALID_ARGUMENT");
    expect(await codeOf(stream.readInto(value))).toBe("INVALID_ARGUMENT");
    expect(await codeOf(contribution.write(value))).toBe("INVALID_ARGUMENT");
    expect(await codeOf(server.sendRaw(value, path))).toBe("INVALID_ARGUMENT");
    expect(() => client.sendDatagram(value)).toThrow(/Uint8Array/);
  }
  await stream.write(runInNewContext("new Uint8Array([104, 105])") as Uint8Array);
  void stream.close();
  expect(await textOf(await server.acceptStream())).toBe("hi");
});

test("a writer that is given something else than bytes resets the stream: its reader does not wait for the rest", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openUniStream();
  const writer = stream.writable.getWriter();
  await writer.write(bytes("a"));
  const far = await server.acceptUniStream();
  expect(await codeOf(writer.write("text" as never))).toBe("INVALID_ARGUMENT");
  expect(await codeOf(textOf(far))).toBe("APPLICATION");
  expect(await codeOf(writer.closed)).toBe("INVALID_ARGUMENT");
});

test("a stream that is read both as it is and as a web stream fails one of the readers, and not the session", async () => {
  await using cluster = new TestCluster();
  const { client, server } = await cluster.pair();
  const stream = client.openStream();
  await stream.write(bytes("a"));
  const far = await server.acceptStream();
  await far.read();
  const reading = far.read();
  expect(await codeOf(far.readable.getReader().read())).toBe("INVALID_ARGUMENT");
  await stream.write(bytes("b"));
  expect(await reading).toEqual(bytes("b"));
  await stream.close();
  expect(await far.read()).toBeNull();
  const next = client.openStream();
  await next.write(bytes("the session is there"));
  void next.close();
  expect(await textOf(await server.acceptStream())).toBe("the session is there");
});
