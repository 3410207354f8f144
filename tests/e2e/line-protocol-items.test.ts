// What the server of examples/line-protocol makes of the chunks that hand-written clients send it, and where it keeps them.
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { inSession, okLine, Peer } from "./line-protocol-peer.ts";
import { startLineServer } from "./line-protocol-process.ts";

const readme = fileURLToPath(new URL("../../examples/line-protocol/README.md", import.meta.url));

test("the dialogue of the README happens byte for byte", async () => {
  const dialogue = /^## A dialogue$.*?^```text\n(.*?)^```$/ms.exec(readFileSync(readme, "utf8"))?.[1]?.trimEnd().split("\n") ?? [];
  expect(dialogue.length).toBeGreaterThan(20);
  const server = await startLineServer();
  const peers = new Map<string, Peer>();
  let id: string | undefined;
  for (const step of dialogue) {
    const [, number = "", direction = "", line = ""] = /^(\d)([<>]) (.*)$/.exec(step) ?? [];
    const peer = peers.get(number) ?? new Peer(server);
    peers.set(number, peer);
    if (direction === ">") peer.send(`${line.replace("<id>", id ?? "no id yet")}\n`);
    else {
      const said = await peer.line();
      if (line === "SESSION|<id>") id ??= said.replace("SESSION|", "");
      expect(said, step).toBe(line.replace("<id>", id ?? ""));
    }
  }
  expect(id).toMatch(/^[0-9a-f]{32}-forms$/);
  expect(await peers.get("5")?.line()).toBe("(end)");
});

test("the simplest client: even chunks on the first connection, odd ones on the second, nothing read in between (LINE-2, LINE-3)", async () => {
  const { server, peer, id } = await inSession();
  const bytes = randomBytes(200_000).filter((byte) => byte !== 0x0a);
  const total = Math.ceil(bytes.length / 1_000);
  const second = Peer.join(server, id);
  for (let chunk = 0; chunk < total; chunk += 1) {
    const payload = bytes.subarray(chunk * 1_000, (chunk + 1) * 1_000);
    (chunk % 2 === 0 ? peer : second).send(`simple|${chunk}|${total}|`, payload, "\n");
  }
  peer.socket.end();
  second.socket.end();
  const answers = [await peer.line(), await second.line()];
  expect(answers.toSorted()).toEqual(["(end)", okLine("simple", bytes)]);
  expect(readFileSync(join(server.out, "simple")).equals(bytes)).toBe(true);
});

test("chunks arrive backwards, of different lengths and empty ones too, between those of other items (LINE-7, LINE-8)", async () => {
  const { server, peer } = await inSession();
  peer.send("a|3|4|\n", "b|1|2|B2\n", "a|2|4|three\n", "a|1|4|\n", "b|0|2|B1\n", "a|0|4|one\n", "empty|0|1|\n");
  expect(await peer.line()).toBe(okLine("b", Buffer.from("B1B2")));
  expect(await peer.line()).toBe(okLine("a", Buffer.from("onethree")));
  expect(await peer.line()).toBe(okLine("empty", Buffer.alloc(0)));
  expect(readFileSync(join(server.out, "a"), "utf8")).toBe("onethree");
  expect(readdirSync(server.out).sort()).toEqual(["a", "b", "empty"]);
});

test("a carriage return belongs to the payload, and to no line's end (LINE-1)", async () => {
  const { server, peer } = await inSession();
  expect(await peer.send("a|0|1|x\r\n").line()).toBe(okLine("a", Buffer.from("x\r")));
  expect(await new Peer(server).send("SESSION|NEW\r\n").line()).toMatch(/^ERROR\|UNKNOWN_SESSION\|/);
});

test("a connection dies inside a chunk; the other one sends it again (LINE-16)", async () => {
  const { server, peer, id } = await inSession();
  const dying = Peer.join(server, id).send("a|1|3|b\n", "x|0|2|\n", "x|0|2|\n");
  expect(await dying.line()).toBe("DUPLICATE|x|0"); // so it has come so far
  dying.send("a|2|3|c");
  dying.socket.destroy();
  expect(await peer.send("a|1|3|b\n").line()).toBe("DUPLICATE|a|1");
  expect(await peer.send("a|0|3|a\n", "a|2|3|cc\n").line()).toBe(okLine("a", Buffer.from("abcc")));
});

test("a connection that ends inside a line is told so, and the line counts for nothing (LINE-23)", async () => {
  const { server, peer, id } = await inSession();
  peer.send("a|0|1|cut").socket.end();
  expect(await peer.line()).toBe("ERROR|CUT_OFF|the connection ended inside a line");
  expect(await Peer.join(server, id).send("a|0|1|whole\n").line()).toBe(okLine("a", Buffer.from("whole")));
});

test("a stored item answers every further chunk with what it is; another total does not harm it (LINE-14, LINE-15)", async () => {
  const { server, peer } = await inSession();
  const ok = okLine("a", Buffer.from("12"));
  expect(await peer.send("a|0|2|1\n", "a|1|2|2\n").line()).toBe(ok);
  expect(await peer.send("a|1|2|2\n").line()).toBe(ok);
  expect(await peer.send("a|1|2|other\n").line()).toBe(ok);
  expect(await peer.send("a|0|1|other\n").line()).toBe("ERROR|TOTAL_CHANGED|a|the item began with another total");
  expect(await peer.send("a|0|2|1\n").line()).toBe(ok);
  expect(readFileSync(join(server.out, "a"), "utf8")).toBe("12");
});

test.each([
  ["CHUNK_CHANGED", "this chunk came before with other bytes", "a|0|2|other\n"],
  ["TOTAL_CHANGED", "the item began with another total", "a|1|3|x\n"],
])("an item is refused for %s, whatever comes later, and other items go on (LINE-15)", async (code, text, frame) => {
  const { server, peer, id } = await inSession();
  const answer = `ERROR|${code}|a|${text}`;
  expect(await peer.send("a|0|2|1\n", frame).line()).toBe(answer);
  expect(await Peer.join(server, id).send("a|1|2|2\n").line()).toBe(answer);
  expect(await peer.send("a|0|2|1\n").line()).toBe(answer);
  expect(await peer.send("b|0|1|b\n").line()).toBe(okLine("b", Buffer.from("b")));
  expect(readdirSync(server.out)).toEqual(["b"]);
});

test("a file has its name only when it is complete (LINE-20)", async () => {
  const { server, peer } = await inSession();
  const chunk = Buffer.alloc(250_000, "x");
  for (let index = 0; index < 200; index += 1) peer.send(`large|${index}|200|`, chunk, "\n");
  const sizes = new Set<number>();
  let isStored = false;
  const storing = peer.line().then((line) => {
    isStored = true;
    return line;
  });
  while (!isStored) {
    sizes.add(statSync(join(server.out, "large"), { throwIfNoEntry: false })?.size ?? -1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await storing).toMatch(/^OK\|large\|50000000\|/);
  sizes.delete(-1);
  expect([...sizes].filter((size) => size !== 50_000_000)).toEqual([]);
});

test("a file that cannot be written refuses its item and not the server (LINE-15, LINE-20)", async () => {
  const { server, peer } = await inSession();
  rmSync(server.out, { recursive: true });
  const answer = "ERROR|NOT_STORED|a|the server could not write the file";
  expect(await peer.send("a|0|1|x\n").line()).toBe(answer);
  mkdirSync(server.out);
  expect(await peer.send("a|0|1|x\n").line()).toBe(answer);
  expect(await peer.send("b|0|1|x\n").line()).toBe(okLine("b", Buffer.from("x")));
  peer.socket.end();
  server.child.kill("SIGTERM");
  expect((await server.outcome).stderr).toMatch(/^server: a could not be stored: ENOENT/);
});

test("a server that is stopped tells its connections, and leaves no unfinished file (LINE-20)", async () => {
  const { server, peer } = await inSession();
  expect(await peer.send("whole|0|1|x\n", "part|0|2|y\n", "part|0|2|y\n").line()).toBe(okLine("whole", Buffer.from("x")));
  expect(await peer.line()).toBe("DUPLICATE|part|0");
  server.child.kill("SIGTERM");
  expect(await peer.line()).toBe("ERROR|SHUTTING_DOWN|the server is stopping");
  peer.socket.end();
  expect(await server.outcome).toMatchObject({ status: 0, stderr: "" });
  expect(readdirSync(server.out)).toEqual(["whole"]);
});
