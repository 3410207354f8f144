import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { whyNotFull } from "./full-run.ts";
import { folderOfProcesses } from "./processes.ts";
import { freePort, run, serve, type Server } from "./program.ts";
import { Rig } from "./rig.ts";

// The gRPC of Node and that of Python, which is another implementation, as client and server of each other.

const NODE = new URL("programs/grpc-peer.mjs", import.meta.url).pathname;
const PYTHON = new URL("programs/grpc_peer.py", import.meta.url).pathname;
folderOfProcesses();
let missing: string | undefined;
const servers: Server[] = [];
let rig: Rig;

beforeAll(async () => {
  missing = whyNotFull({ "/usr/lib/python3/dist-packages/grpc/__init__.py": "python3-grpcio" });
  if (missing !== undefined) return;
  const [node, python] = [await freePort(), await freePort()];
  servers.push(await serve(node, process.execPath, [NODE, "server", String(node)]));
  servers.push(await serve(python, "/usr/bin/python3", [PYTHON, "server", String(python)]));
  rig = await Rig.start({ node, python });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

test.each([
  ["Node", "Python", process.execPath, NODE, "python", "silent"],
  ["Python", "Node", "/usr/bin/python3", PYTHON, "node", "killed"],
] as const)(
  "a client in %s and a server in %s: unary calls and streams of all kinds, while a line fails",
  async (_client, _server, program, script, target, fault) => {
    const { stdout } = await rig.faulty(fault, 40_000_000, () => run(program, [script, "client", String(rig.port(target))]));
    expect(stdout.toString()).toBe("unary down up both");
  },
);
