// A program that knows nothing of kwik: uses a database, a cache, a web server and a WebSocket by their usual clients, all at once. ENDPOINTS names their ports.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import Redis from "ioredis";
import mysql from "mysql2/promise";
import pg from "pg";
import { request } from "undici";
import { WebSocket } from "ws";

const ports = JSON.parse(process.env.ENDPOINTS);
const host = "127.0.0.1";
const ROWS = 1_500;
const BYTES = 8_000_000;

async function postgres() {
  const pool = new pg.Pool({ host, port: ports.postgres, user: "postgres", database: "postgres", max: 4 });
  await pool.query("create table clients (n int)");
  await Promise.all(Array.from({ length: ROWS }, (_, index) => pool.query("insert into clients values ($1)", [index])));
  const { rows } = await pool.query("select count(*)::int as count, sum(n)::int as sum from clients");
  await pool.end();
  return rows[0];
}

async function redis() {
  const client = new Redis({ host, port: ports.redis, maxRetriesPerRequest: 0, retryStrategy: null });
  const value = randomBytes(BYTES);
  await client.set("blob", value);
  const isEqual = value.equals(await client.getBuffer("blob"));
  for (let i = 0; i < ROWS; i += 1) await client.incr("clients");
  const count = Number(await client.get("clients"));
  await client.quit();
  return { isEqual, count };
}

async function mariadb() {
  const pool = mysql.createPool({ host, port: ports.mysql, user: "test", password: "secret", database: "work", connectionLimit: 4 });
  await pool.query("create table clients (n int)");
  await Promise.all(Array.from({ length: ROWS }, (_, index) => pool.execute("insert into clients values (?)", [index])));
  const [[row]] = await pool.query("select count(*) as count, cast(sum(n) as signed) as sum from clients");
  await pool.end();
  return row;
}

async function web() {
  const data = randomBytes(BYTES);
  const up = await request(`http://${host}:${ports.web}/`, { method: "POST", body: data });
  const echoed = Buffer.from(await up.body.arrayBuffer());
  const fetched = await fetch(`http://${host}:${ports.web}/`, { method: "POST", body: data });
  return { undici: data.equals(echoed), fetch: data.equals(Buffer.from(await fetched.arrayBuffer())) };
}

async function webSocket() {
  const socket = new WebSocket(`ws://${host}:${ports.ws}`);
  await once(socket, "open");
  const messages = Array.from({ length: 100 }, () => randomBytes(50_000));
  let same = 0;
  const all = new Promise((resolve) => {
    socket.on("message", (data) => {
      if (data.equals(messages[same])) same += 1;
      else resolve();
      if (same === messages.length) resolve();
    });
  });
  for (const message of messages) socket.send(message);
  await all;
  socket.close();
  await once(socket, "close");
  return same;
}

const [pgRow, cache, myRow, http, messages] = await Promise.all([postgres(), redis(), mariadb(), web(), webSocket()]);
process.stdout.write(JSON.stringify({ postgres: pgRow, redis: cache, mysql: myRow, web: http, messages }));
