import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { whyNotFull } from "./full-run.ts";
import { MYSQL_PROGRAMS, startMysql } from "./mysql-server.ts";
import { POSTGRES_PROGRAMS, startPostgres } from "./postgres-server.ts";
import { folderOfProcesses } from "./processes.ts";
import { freePort, run, serve, type Server } from "./program.ts";
import { Rig } from "./rig.ts";

const PROGRAM = new URL("programs/clients.mjs", import.meta.url).pathname;
const folder = folderOfProcesses();
const web = createServer((request, response) => void request.pipe(response));
const sockets = new WebSocketServer({ host: "127.0.0.1", port: 0 });
const servers: Server[] = [];
let missing: string | undefined;
let ports: Record<string, number> = {};
let rig: Rig;

beforeAll(async () => {
  missing = whyNotFull({ ...MYSQL_PROGRAMS, "/usr/bin/redis-server": "redis-server", ...POSTGRES_PROGRAMS });
  if (missing !== undefined) return;
  const redis = await freePort();
  servers.push(
    await serve(redis, "redis-server", ["--port", String(redis), "--bind", "127.0.0.1", "--save", "", "--dir", folder]),
    await startPostgres(folder),
    await startMysql(folder),
  );
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  sockets.on("connection", (socket) => socket.on("message", (data: Buffer) => socket.send(data)));
  ports = {
    redis,
    postgres: servers[1]?.port ?? 0,
    mysql: servers[2]?.port ?? 0,
    web: (web.address() as AddressInfo).port,
    ws: (sockets.address() as AddressInfo).port,
  };
  rig = await Rig.start();
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
  sockets.close();
  web.close();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

test("an unchanged program with pg, ioredis, mysql2, undici, fetch and ws under kwik/register notices nothing of a line that is killed", async () => {
  const [first, second] = rig.lines;
  const rules = Object.values(ports).map((port) => `127.0.0.1:${port}=${first.url}|${second.url}`);
  const env = { KWIK_ROUTE: rules.join(","), KWIK_PIN: rig.gateway.identity, ENDPOINTS: JSON.stringify(ports) };
  const { stdout } = await rig.faulty("killed", 20_000_000, () =>
    run(process.execPath, ["--conditions=kwik-source", "--import", "kwik/register", PROGRAM], { env }),
  );
  const sum = (1_500 * 1_499) / 2;
  expect(JSON.parse(stdout.toString())).toEqual({
    postgres: { count: 1_500, sum },
    redis: { isEqual: true, count: 1_500 },
    mysql: { count: 1_500, sum },
    web: { undici: true, fetch: true },
    messages: 100,
  });
});
