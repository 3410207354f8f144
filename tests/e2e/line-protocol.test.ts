// The programs of examples/line-protocol with each other, and the client with servers that are not ours.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";
import { sha256, sha256OfFile, writeRandomFile } from "./kwik-process.ts";
import { folder, mostMemoryBytes, newFolder, type Outcome, startLineServer, startProgram } from "./line-protocol-process.ts";

const servers = new Set<Server>();

afterAll(() => {
  for (const server of servers) server.close();
});

function client(...args: string[]): Promise<Outcome> {
  return startProgram("client", args).outcome;
}

function textFile(name: string, text: string | Uint8Array): string {
  const path = join(newFolder(), name);
  writeFileSync(path, text);
  return path;
}

/** A TCP server of the test's own; answers its "host:port". */
async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    onConnection(socket);
  });
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

for (const form of ["length", "escaped"]) {
  for (const connections of [1, 2, 4]) {
    test(`random bytes arrive as they are in ${form} form over ${connections} connections`, async () => {
      const server = await startLineServer();
      const hash = writeRandomFile(join(folder, "random.bin"), 1_500_001);
      const args = ["--to", server.address, "--connections", String(connections), "--form", form, "--json"];
      const outcome = await client(join(folder, "random.bin"), textFile("empty", ""), ...args);
      expect(outcome).toMatchObject({ status: 0, stderr: "" });
      const summary = JSON.parse(outcome.stdout);
      expect(summary).toMatchObject({ status: 0, form, confirmed: true, resentChunks: 0, lostConnections: 0 });
      expect(summary.items).toMatchObject([
        { item: "random.bin", bytes: 1_500_001, chunks: 92, sha256: hash, state: "stored" },
        { item: "empty", bytes: 0, chunks: 1, state: "stored" },
      ]);
      expect(summary.chunksByConnection).toHaveLength(connections);
      expect(Math.min(...summary.chunksByConnection)).toBeGreaterThan(0);
      expect(sha256OfFile(join(server.out, "random.bin"))).toBe(hash);
      expect(readdirSync(server.out).sort()).toEqual(["empty", "random.bin"]);
      server.child.kill("SIGINT");
      expect(await server.outcome).toMatchObject({
        status: 0,
        stdout: expect.stringContaining("stopped: 2 items, 1500001 bytes") as string,
      });
    });
  }
}

for (const connections of [1, 2, 4]) {
  test(`text arrives as it is in plain form over ${connections} connections, bars and all (LINE-11)`, async () => {
    const server = await startLineServer();
    const text = "ä|b\\n€ 𝄞|".repeat(5_000);
    const args = ["--to", server.address, "--form", "plain", "--chunk", "1001", "--connections", String(connections)];
    const outcome = await client(textFile("text", text), ...args);
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    expect(readFileSync(join(server.out, "text"), "utf8")).toBe(text);
  });
}

test("the plain form refuses bytes it cannot carry, and then sends nothing at all (LINE-11)", async () => {
  const server = await startLineServer();
  const outcome = await client(textFile("good", "good"), textFile("bad", "one\ntwo"), "--to", server.address, "--form", "plain");
  expect(outcome.status).toBe(5);
  expect(outcome.stderr).toBe("client: bad contains a line feed, which the plain form cannot carry; leave out --form plain\n");
  expect(readdirSync(server.out)).toEqual([]);
});

test("an old server gets exactly the old lines, and text in plain form (LINE-10, LINE-23)", async () => {
  const lines: string[] = [];
  const address = await listen((socket) => {
    createInterface({ input: socket }).on("line", (line) => {
      lines.push(line);
      if (line === "SESSION|NEW") socket.write("SESSION|42\n");
    });
    socket.on("end", () => socket.end());
  });
  const outcome = await client(textFile("text", "0123456789ä"), "--to", address, "--connections", "2", "--chunk", "4", "--json");
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(outcome.stderr).toBe("client: the server knows only the plain form, so not length, and does not confirm\n");
  expect(JSON.parse(outcome.stdout)).toMatchObject({ form: "plain", confirmed: false, items: [{ state: "sent" }] });
  expect(lines.toSorted()).toEqual(["SESSION|42", "SESSION|NEW", "text|0|3|0123", "text|1|3|4567", "text|2|3|89ä"]);
});

test("an old server is not sent what plain cannot carry (LINE-10, LINE-11)", async () => {
  let received = "";
  const address = await listen((socket) => {
    socket.on("data", (data: Buffer) => {
      received += data.toString();
      socket.write("SESSION|42\n");
    });
    socket.on("end", () => socket.end());
  });
  const outcome = await client(textFile("bytes", Uint8Array.of(1, 0xff)), "--to", address);
  expect(outcome.status).toBe(5);
  expect(outcome.stderr).toContain(
    "bytes contains bytes that are no UTF-8 text, which the plain form cannot carry; the server knows no other",
  );
  expect(received).toBe("SESSION|NEW\n");
});

test("connections that die in the middle are replaced, and their chunks go again (LINE-16)", async () => {
  const server = await startLineServer();
  const hash = writeRandomFile(join(folder, "killed.bin"), 3_000_000);
  let killed = 0;
  const address = await listen((near) => {
    const [host = "", port = ""] = server.address.split(":");
    const far = connect(Number(port), host);
    far.on("error", () => {});
    let bytes = 0;
    near.pipe(far).pipe(near);
    near.on("data", (data: Buffer) => {
      bytes += data.length;
      if (bytes < 200_000 || killed === 3) return;
      killed += 1;
      near.destroy();
      far.destroy();
    });
  });
  const outcome = await client(join(folder, "killed.bin"), "--to", address, "--connections", "3", "--json");
  expect(outcome.status, outcome.stderr).toBe(0);
  const summary = JSON.parse(outcome.stdout);
  expect(summary).toMatchObject({ lostConnections: 3, items: [{ state: "stored", sha256: hash }] });
  expect(summary.resentChunks).toBeGreaterThan(0);
  expect(sha256OfFile(join(server.out, "killed.bin"))).toBe(hash);
});

test("a client that loses its connection again and again gives up after its retries (LINE-16)", async () => {
  let frames = 0;
  const address = await listen((socket) => {
    createInterface({ input: socket }).on("line", (line) => {
      if (line === "SESSION|NEW") socket.write("SESSION|1-forms\n");
      else if (line.startsWith("FORM|")) socket.write(`${line}\n`);
      else if (!line.startsWith("SESSION|")) {
        frames += 1;
        socket.destroy();
      }
    });
  });
  const outcome = await client(textFile("a", "a"), "--to", address, "--retries", "2");
  expect(outcome.status).toBe(3);
  expect(outcome.stderr.match(/was lost \(/g)).toHaveLength(2);
  expect(outcome.stderr).toContain("client: all connections were lost: ");
  expect(frames).toBe(3);
});

test("a file that is there is kept, and the other items go on; --overwrite replaces it (LINE-20)", async () => {
  const keeping = await startLineServer();
  writeFileSync(join(keeping.out, "a"), "old");
  const outcome = await client(textFile("a", "new"), textFile("b", "b"), "--to", keeping.address, "--json");
  expect(outcome.status).toBe(4);
  expect(JSON.parse(outcome.stdout).items).toMatchObject([
    { item: "a", state: "refused", error: "EXISTS: the server has a file of this name and keeps it" },
    { item: "b", state: "stored" },
  ]);
  expect(readFileSync(join(keeping.out, "a"), "utf8")).toBe("old");
  expect(readdirSync(keeping.out).sort()).toEqual(["a", "b"]);

  const replacing = await startLineServer("--overwrite");
  writeFileSync(join(replacing.out, "a"), "old");
  expect(await client(textFile("a", "new"), "--to", replacing.address)).toMatchObject({ status: 0 });
  expect(readFileSync(join(replacing.out, "a"), "utf8")).toBe("new");
  expect(readdirSync(replacing.out)).toEqual(["a"]);
});

test("a server that has other bytes than were sent is found out (LINE-8)", async () => {
  const address = await listen((socket) => {
    createInterface({ input: socket }).on("line", (line) => {
      if (line === "SESSION|NEW") socket.write("SESSION|1-forms\n");
      else socket.write(line.startsWith("FORM|") ? `${line}\n` : `OK|a|1|${sha256(Buffer.from("b"))}\n`);
    });
  });
  const outcome = await client(textFile("a", "a"), "--to", address);
  expect(outcome).toMatchObject({ status: 6, stdout: expect.stringContaining("a: 1 bytes, DIFFERS on the server") as string });
});

test("a client that gets no answer gives up after its timeout", async () => {
  const address = await listen((socket) => socket.resume());
  const outcome = await client(textFile("a", "a"), "--to", address, "--timeout", "300ms");
  expect(outcome).toMatchObject({ status: 3, stderr: expect.stringContaining("no answer within 300 ms") as string });
});

test("the client reads a file only as fast as the server takes it (LINE-19)", async (context) => {
  if (!existsSync("/proc/self/status")) context.skip("needs the memory figures of Linux");
  const fileBytes = 300 * 2 ** 20;
  const address = await listen((socket) => {
    socket.once("data", () => {
      socket.pause();
      socket.write("SESSION|42\n");
    });
  });
  const path = textFile("large", Buffer.alloc(fileBytes, "x"));
  const running = startProgram("client", [path, "--to", address, "--connections", "1", "--chunk", "1MiB", "--timeout", "1s"]);
  let mostBytes = 0;
  const poll = setInterval(() => (mostBytes = Math.max(mostBytes, mostMemoryBytes(running.child))), 50);
  const outcome = await running.outcome;
  clearInterval(poll);
  expect(outcome).toMatchObject({ status: 3, stderr: expect.stringContaining("nothing moved for 1000 ms") as string });
  expect(mostBytes).toBeGreaterThan(10 * 2 ** 20);
  expect(mostBytes).toBeLessThan(fileBytes - 50 * 2 ** 20);
});

test.each([
  ["client", ["--to", "a:1"], 2, "say which files to send"],
  ["client", ["FILE"], 2, "say where to send them"],
  ["client", ["FILE", "--to", "nowhere"], 2, "--to nowhere: write HOST:PORT"],
  ["client", ["FILE", "--to", "a:1", "--form", "morse"], 2, "the forms are plain, escaped and length"],
  ["client", ["FILE", "--to", "a:1", "--chunk", "1 KiB"], 2, "--chunk 1 KiB: write for instance 16KiB"],
  ["client", ["FILE", "--to", "a:1", "--connections", "0"], 2, "--connections 0: give a number from 1 to 64"],
  ["client", ["FILE", "--to", "a:1", "--what"], 2, "--what"],
  ["client", ["FILE", "FILE", "--to", "127.0.0.1:1"], 2, "two files are called FILE"],
  ["client", ["MISSING", "--to", "127.0.0.1:1"], 8, "ENOENT"],
  ["client", ["FILE", "--to", "127.0.0.1:1"], 3, "no session at 127.0.0.1:1: "],
  ["server", [], 2, "say where to listen with --port"],
  ["server", ["--port", "70000"], 2, "--port 70000: give a number from 0 to 65535"],
  ["server", ["--port", "0", "--max-chunk", "0"], 2, "--max-chunk 0: write for instance"],
  ["server", ["--port", "0", "--out", "MISSING"], 8, "there is no such folder"],
  ["server", ["--port", "BUSY"], 8, "EADDRINUSE"],
] as const)("%s %j ends with status %i and says why", async (program, args, status, sentence) => {
  const busy = args.includes("BUSY" as never) ? (await listen(() => {})).split(":")[1] : "";
  const file = textFile("FILE", "x");
  const names: Record<string, string> = { FILE: file, MISSING: join(folder, "missing"), BUSY: busy ?? "" };
  const outcome = await startProgram(
    program,
    args.map((arg) => names[arg] ?? arg),
  ).outcome;
  expect(outcome.status, outcome.stderr).toBe(status);
  expect(outcome.stderr).toMatch(new RegExp(`^${program}: .+\n`));
  expect(outcome.stderr).toContain(sentence);
});

test.each(["client", "server"] as const)("%s --help shows every flag", async (program) => {
  const outcome = await startProgram(program, ["--help"]).outcome;
  expect(outcome).toMatchObject({ status: 0, stderr: "" });
  const own =
    program === "client" ? ["to", "connections", "chunk", "form", "timeout", "retries", "json"] : ["port", "host", "out", "overwrite"];
  for (const flag of own) expect(outcome.stdout).toContain(`--${flag} `);
});

test.each(["SESSION", "FORM", "item"])("Ctrl-C ends a client that waits for what comes after %s, with its own status", async (until) => {
  const waiting = Promise.withResolvers<undefined>();
  const address = await listen((socket) => {
    createInterface({ input: socket }).on("line", (line) => {
      if (line.startsWith(until)) waiting.resolve(undefined);
      else socket.write(line === "SESSION|NEW" ? "SESSION|1-forms\n" : `${line}\n`);
    });
  });
  const running = startProgram("client", [textFile("item", "a"), "--to", address]);
  await waiting.promise;
  running.child.kill("SIGINT");
  expect(await running.outcome).toMatchObject({ status: 7, stderr: "client: interrupted\n" });
});
