// Lines that the server of examples/line-protocol refuses, and what that costs whoever sent them.
import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { inSession, okLine, Peer } from "./line-protocol-peer.ts";
import { folder, startLineServer } from "./line-protocol-process.ts";

const MIB = 2 ** 20;

test.each(["1|1", "2|1", "0|0", "-1|2", "x|2", "0|", "|2", "00|2", "0|2.0", "1e0|2", " 0|2", "0|99999999999999999999"])(
  "a frame with the counts %s is refused, and the connection goes on (LINE-6)",
  async (counts) => {
    const { peer } = await inSession();
    expect(await peer.send(`a|${counts}|payload\n`).line()).toMatch(/^ERROR\|BAD_COUNT\|a\|chunk and total are/);
    expect(await peer.send("a|0|1|x\n").line()).toBe(okLine("a", Buffer.from("x")));
  },
);

test("no name leads out of the folder, or to a hidden file; the connection goes on (LINE-5)", async () => {
  const { server, peer } = await inSession();
  const before = readdirSync(folder).sort();
  const names = ["../x", "..", ".", "/tmp/line-protocol-x", "a/b", "a\\b", ".line-protocol-x.part", "", "a\u0000b", "x".repeat(129)];
  for (const name of names) {
    expect(await peer.send(`${name}|0|1|payload\n`).line(), name).toMatch(/^ERROR\|BAD_ITEM\|an item's name is a file name/);
  }
  expect(await peer.send(Uint8Array.of(0xff), "|0|1|payload\n").line()).toMatch(/^ERROR\|BAD_ITEM\|/);
  expect(await peer.send("x|0|1|x\n").line()).toBe(okLine("x", Buffer.from("x")));
  expect(readdirSync(server.out)).toEqual(["x"]);
  expect(readdirSync(folder).sort()).toEqual(before);
  expect(existsSync("/tmp/line-protocol-x")).toBe(false);
});

test.each([
  ["a frame first", "a|0|1|x\n", "NO_SESSION|the first line must be SESSION|NEW or SESSION|<id>"],
  ["no protocol at all", "GET / HTTP/1.1\n", "NO_SESSION|the first line must be SESSION|NEW or SESSION|<id>"],
  ["an unknown session", "SESSION|00000000000000000000000000000000-forms\n", "UNKNOWN_SESSION|there is no such session, or not any more"],
  ["a line that never ends", "x".repeat(300), "LINE_TOO_LONG|what comes before the payload has at most 256 bytes"],
])("%s gets a clear answer and the end (LINE-2, LINE-17)", async (_, text, answer) => {
  const peer = new Peer(await startLineServer()).send(text);
  expect(await peer.line()).toBe(`ERROR|${answer}`);
  expect(await peer.line()).toBe("(end)");
});

test.each([
  ["a line without bars", "hello\n", "BAD_FRAME|a frame is item|chunk|total|payload"],
  ["a form that does not exist", "FORM|morse\n", "UNKNOWN_FORM|the forms are plain, escaped and length"],
  ["a form that comes late", "FORM|plain\nFORM|length\n", "BAD_FRAME|a frame is item|chunk|total|payload"],
  ["a bad escape", "FORM|escaped\na|0|1|\\x\n", "BAD_ESCAPE|a backslash is followed by a backslash, n or r"],
  ["an oversized chunk", `a|0|1|${"x".repeat(MIB)}`, "CHUNK_TOO_LARGE|a chunk has at most 1024 bytes"],
  ["an oversized length", "FORM|length\na|0|1|1025:", "CHUNK_TOO_LARGE|a chunk has at most 1024 bytes"],
  [
    "a length that is not kept",
    "FORM|length\na|0|1|1:xy\n",
    "BAD_LENGTH|a payload in length form is a decimal number, a colon, that many bytes and a line feed",
  ],
])("%s ends the connection with a clear answer, and leaves the session (LINE-9, LINE-12, LINE-13, LINE-17)", async (_, text, answer) => {
  const { server, peer, id } = await inSession("--max-chunk", "1KiB");
  peer.send(text);
  const lines = [await peer.line()];
  while (lines.at(-1) !== "(end)") lines.push(await peer.line());
  expect(lines.filter((line) => !line.startsWith("FORM|"))).toEqual([`ERROR|${answer}`, "(end)"]);
  expect(
    await Peer.join(server, id)
      .send(`a|0|1|${"x".repeat(1_024)}\n`)
      .line(),
  ).toBe(okLine("a", Buffer.alloc(1_024, "x")));
});
