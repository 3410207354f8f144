// The server of examples/line-protocol seen from hand-written clients: what it takes, what it refuses, and what that costs it.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { sha256, testFolder } from "./kwik-process.ts";

const MIB = 2 ** 20;
const folder = testFolder();
const children = new Set<ChildProcess>();
const sockets = new Set<Socket>();
const readme = fileURLToPath(new URL("../../examples/line-protocol/README.md", import.meta.url));

afterAll(() => {
  for (const socket of sockets) socket.destroy();
  for (const child of children) child.kill("SIGKILL");
});

interface ServerProcess {
  readonly port: number;
  readonly out: string;
  readonly child: ChildProcess;
  readonly outcome: Promise<{ status: number | null; stdout: string; stderr: string }>;
}

async function startServer(...flags: string[]): Promise<ServerProcess> {
  const out = join(folder, `out-${children.size}`);
  mkdirSync(out);
  const script = fileURLToPath(new URL("../../examples/line-protocol/server.ts", import.meta.url));
  const child = spawn(process.execPath, [script, "--port", "0", "--out", out, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  const outcome = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once("close", (status) => resolve({ status, stdout, stderr }));
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on("data", (data: Buffer) => {
      stdout += data.toString();
      const match = /^listening on 127\.0\.0\.1:(\d+),/.exec(stdout);
      if (match !== null) resolve(Number(match[1]));
    });
    child.once("close", () => reject(new Error(stderr)));
  });
  return { port, out, child, outcome };
}

/** One raw connection. */
class Peer {
  readonly socket: Socket;
  #received = "";
  #isOver = false;
  #wake = (): void => {};

  constructor(server: ServerProcess) {
    this.socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    sockets.add(this.socket);
    this.socket.on("data", (data: Buffer) => {
      this.#received += data.toString();
      this.#wake();
    });
    this.socket.on("error", () => {});
    for (const event of ["end", "close"]) {
      this.socket.on(event, () => {
        this.#isOver = true;
        this.#wake();
      });
    }
  }

  /** A connection that has joined a session. */
  static join(server: ServerProcess, id: string): Peer {
    return new Peer(server).send(`SESSION|${id}\n`);
  }

  send(...parts: (string | Uint8Array)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }

  /** The next line from the server, without its line feed; "(end)" where there is no more. */
  async line(): Promise<string> {
    while (!this.#received.includes("\n")) {
      if (this.#isOver) return this.#received === "" ? "(end)" : `(cut) ${this.#received}`;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const end = this.#received.indexOf("\n");
    const line = this.#received.slice(0, end);
    this.#received = this.#received.slice(end + 1);
    return line;
  }

  async newSession(): Promise<string> {
    return (await this.send("SESSION|NEW\n").line()).replace("SESSION|", "");
  }
}

async function inSession(...flags: string[]): Promise<{ server: ServerProcess; peer: Peer; id: string }> {
  const server = await startServer(...flags);
  const peer = new Peer(server);
  return { server, peer, id: await peer.newSession() };
}

function okLine(item: string, bytes: Uint8Array): string {
  return `OK|${item}|${bytes.length}|${sha256(bytes)}`;
}

test("the dialogue of the README happens byte for byte", async () => {
  const dialogue = /^## A dialogue$.*?^```text\n(.*?)^```$/ms.exec(readFileSync(readme, "utf8"))?.[1]?.trimEnd().split("\n") ?? [];
  expect(dialogue.length).toBeGreaterThan(20);
  const server = await startServer();
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
  const peer = new Peer(await startServer()).send(text);
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

test("what goes beyond the limits of items is refused by name (LINE-15, LINE-18)", async () => {
  const { peer } = await inSession("--max-item", "10", "--max-chunks", "4", "--max-items", "3");
  expect(await peer.send("a|0|5|x\n").line()).toBe("ERROR|TOO_MANY_CHUNKS|a|an item has at most 4 chunks");
  const tooLarge = "ERROR|ITEM_TOO_LARGE|b|an item has at most 10 bytes";
  expect(await peer.send("b|0|2|0123456789\n", "b|1|2|x\n").line()).toBe(tooLarge);
  expect(await peer.send("b|0|2|0\n").line()).toBe(tooLarge);
  expect(await peer.send("c|0|2|\n", "d|0|2|\n", "e|0|2|\n").line()).toBe("ERROR|TOO_MANY_ITEMS|e|a session has at most 3 items");
  expect(await peer.send("c|1|2|c\n").line()).toBe(okLine("c", Buffer.from("c")));
});

test("connections and sessions beyond the limits are told so (LINE-17)", async () => {
  const { server } = await inSession("--max-connections", "2", "--max-sessions", "1");
  expect(await new Peer(server).send("SESSION|NEW\n").line()).toBe("ERROR|TOO_MANY_SESSIONS|the server has 1 sessions already");
  const peers = [new Peer(server), new Peer(server)];
  const said = await Promise.race(peers.map((peer) => peer.line()));
  expect(said).toBe("ERROR|TOO_MANY_CONNECTIONS|the server has 2 connections already");
});

test("a line that comes drop by drop is not waited for, and neither is a silent connection (LINE-21)", async () => {
  const { server, peer } = await inSession("--line-timeout", "700ms", "--idle-timeout", "900ms");
  const dripping = setInterval(() => peer.send("x"), 50);
  const silentFromTheStart = new Peer(server);
  expect(await peer.line()).toBe("ERROR|LINE_TIMEOUT|a line must be complete within 700 ms");
  clearInterval(dripping);
  expect(await peer.line()).toBe("(end)");
  expect(await silentFromTheStart.line()).toBe("ERROR|LINE_TIMEOUT|a line must be complete within 700 ms");
  const silent = new Peer(server);
  await silent.newSession();
  expect(await silent.line()).toBe("ERROR|IDLE_TIMEOUT|nothing came for 900 ms");
});

test("a session outlives its connections for a while, and then is unknown (LINE-22)", async () => {
  const patient = await inSession();
  patient.peer.send("a|0|2|1\n").socket.end();
  expect(await patient.peer.line()).toBe("(end)");
  expect(await Peer.join(patient.server, patient.id).send("a|1|2|2\n").line()).toBe(okLine("a", Buffer.from("12")));

  const { server, peer, id } = await inSession("--session-timeout", "10ms");
  peer.socket.end();
  expect(await peer.line()).toBe("(end)");
  // Nothing tells when it is forgotten; a session that never is runs into the test's own timeout.
  while ((await Peer.join(server, id).send("hello\n").line()) !== "ERROR|UNKNOWN_SESSION|there is no such session, or not any more") {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test("a session to which a connection came back in time is kept as long as it stays (LINE-22)", async () => {
  const { server, peer, id } = await inSession("--session-timeout", "1s");
  const other = new Peer(server);
  const otherId = await other.newSession();
  peer.socket.end();
  expect(await peer.line()).toBe("(end)");
  const back = Peer.join(server, id).send("a|0|2|1\n", "a|0|2|1\n");
  expect(await back.line()).toBe("DUPLICATE|a|0");
  // The other session is left later, so when it is over, the time of the first one would be over too.
  other.socket.end();
  expect(await other.line()).toBe("(end)");
  do await new Promise((resolve) => setTimeout(resolve, 1_500));
  while (!(await Peer.join(server, otherId).send("hello\n").line()).startsWith("ERROR|UNKNOWN_SESSION|"));
  expect(await Peer.join(server, id).send("a|0|2|1\n").line()).toBe("DUPLICATE|a|0");
  expect(await back.send("a|1|2|2\n").line()).toBe(okLine("a", Buffer.from("12")));
});

test("many partial items are refused before they fill the memory, and room comes back (LINE-18, LINE-22)", async (context) => {
  if (!existsSync("/proc/self/status")) context.skip("needs the memory figures of Linux");
  const flags = ["--max-session", "3MiB", "--max-memory", "4MiB", "--max-chunk", "64KiB", "--session-timeout", "10ms"];
  const { server, peer } = await inSession(...flags);
  const before = mostMemoryBytes(server.child);
  const other = new Peer(server);
  await other.newSession();
  const payload = Buffer.alloc(64 * 1024, "x");
  const items = 8_000;
  const codes = new Set<string>();
  for (const [sender, count] of [[peer, items] as const, [other, 40] as const]) {
    const reading = (async () => {
      let refused = 0;
      for (let line = await sender.line(); line !== "(end)"; line = await sender.line()) {
        codes.add(line.split("|")[1] ?? "");
        refused += 1;
      }
      return refused;
    })();
    for (let item = 0; item < count; item += 1) {
      sender.send(`item ${item}|0|2|`, payload, "\n");
      if (sender.socket.writableNeedDrain) await new Promise((resolve) => sender.socket.once("drain", resolve));
    }
    if (sender === peer) {
      // Refused for its own session's limit; its items stay, so that the other session meets the server's.
      while (!codes.has("SESSION_FULL")) await new Promise((resolve) => setImmediate(resolve));
    } else {
      for (const one of [peer, other]) one.socket.end();
      expect(await reading).toBeGreaterThan(0);
    }
  }
  expect([...codes].sort()).toEqual(["SERVER_FULL", "SESSION_FULL"]);
  // Between the 4 MiB it may hold and the 500 MiB that came there is what is not collected yet.
  expect(mostMemoryBytes(server.child) - before).toBeLessThan((items * payload.length) / 2);

  let stored = "";
  while (!stored.startsWith("OK|")) {
    const late = new Peer(server);
    await late.newSession();
    for (let chunk = 0; chunk < 40; chunk += 1) late.send(`late|${chunk}|40|`, payload, "\n");
    stored = await late.line();
    late.socket.destroy();
  }
  server.child.kill("SIGTERM");
  const { stdout } = await server.outcome;
  const heldBytes = Number(/at most (\d+) bytes of memory held/.exec(stdout)?.[1]);
  expect(heldBytes).toBeGreaterThan(3 * MIB);
  expect(heldBytes).toBeLessThanOrEqual(4 * MIB);
});

test("a client that does not fetch its answers is not read any more, and loses none of them (LINE-19)", async () => {
  const { peer } = await inSession();
  const { socket } = peer;
  socket.pause();
  const block = `${"n".repeat(120)}|1|1|${"x".repeat(400)}\n`.repeat(500);
  const blocks = 500;
  let written = 0;
  const writing = (async () => {
    for (; written < blocks; written += 1) {
      if (!socket.write(block)) await new Promise((resolve) => socket.once("drain", resolve));
    }
  })();
  // The answers are more than the buffers of the system hold, so a server that waits for its reader stops to read before the end.
  for (let seen = -1; seen !== written; ) {
    seen = written;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
  }
  expect(written).toBeLessThan(blocks);
  socket.resume();
  let answers = 0;
  const counting = (async () => {
    for (let line = await peer.line(); line !== "(end)"; line = await peer.line()) if (line.startsWith("ERROR|BAD_COUNT|n")) answers += 1;
  })();
  await writing;
  socket.end();
  await counting;
  expect(answers).toBe(blocks * 500);
});

test("what does not fit while files are written waits, and is not refused (LINE-18)", async () => {
  const { server, id } = await inSession("--max-memory", "1MiB");
  const payload = Buffer.alloc(200 * 1024, "x");
  const sendTwenty = async (number: number): Promise<string[]> => {
    const peer = Peer.join(server, id);
    for (let item = 0; item < 20; item += 1) peer.send(`${number}-${item}|0|1|`, payload, "\n");
    const words: string[] = [];
    while (words.length < 20) words.push((await peer.line()).split("|", 2).join(" "));
    return words;
  };
  const answers = (await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(sendTwenty))).flat();
  expect(answers.filter((answer) => !answer.startsWith("OK "))).toEqual([]);
  expect(readdirSync(server.out)).toHaveLength(160);
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

/** The most physical memory that a process had so far. */
function mostMemoryBytes(child: ChildProcess): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) * 1024;
}
