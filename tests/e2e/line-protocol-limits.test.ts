// Limits of the server of examples/line-protocol: of sizes, numbers, time and memory.
import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { inSession, okLine, Peer } from "./line-protocol-peer.ts";
import { mostMemoryBytes } from "./line-protocol-process.ts";

const MIB = 2 ** 20;

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
