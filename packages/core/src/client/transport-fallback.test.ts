import type { SessionPath } from "@kwik/proto";
import { beforeEach, expect, test } from "vitest";
import type { Link } from "../transport/link.ts";
import type { Transport } from "../transport/transport.ts";
import { type FallbackDialer, TransportFallback } from "./transport-fallback.ts";

/** A path of which only what a fallback looks at is real. */
interface PlayedPath {
  readonly id: number;
  readonly address: string;
  readonly transport: string;
  readonly identity: undefined;
  readonly priority: number;
  heardAt: number;
  state: SessionPath["state"];
  isFinal: boolean;
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

let now: number;
let hasOther: boolean;
let hasRoom: boolean;
let others: number;
let told: string[];
let answer: (result: "link" | "failure") => void;
let fallback: TransportFallback;
let path: PlayedPath;
let beside: PlayedPath;

const played = (id: number, transport: string): PlayedPath => ({
  id,
  transport,
  address: "h:1",
  identity: undefined,
  priority: 128,
  heardAt: 0,
  state: "degraded",
  isFinal: false,
});
const real = (one: PlayedPath): SessionPath => one as unknown as SessionPath;

beforeEach(() => {
  now = 0;
  hasOther = true;
  hasRoom = true;
  others = 0;
  told = [];
  path = played(0, "quic");
  beside = played(1, "tcp");
  const link = { close: () => told.push("link closed") } as unknown as Link;
  const dialer: FallbackDialer = {
    now: () => now,
    isStopped: () => false,
    pathsTo: () => (others > 0 ? [real(path), real(played(9, "quic"))] : [real(path)]),
    hasRoom: () => hasRoom,
    sleep: async (ms) => {
      now += ms;
      await turn();
    },
    dial: (_address, _identity, limit) => {
      told.push(`dial without ${limit.avoid} at ${now}`);
      return new Promise((resolve, reject) => {
        answer = (result) => (result === "link" ? resolve(link) : reject(new Error("nobody there")));
      });
    },
    takeIn: () => {
      told.push("taken in");
      return Promise.resolve(real(beside));
    },
    remove: (one) => told.push(`removed ${one.id}`),
  };
  fallback = new TransportFallback(
    { hasOther: () => hasOther, prefers: (name: string, over: string) => name === "quic" && over === "tcp" } as unknown as Transport,
    dialer,
  );
});

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await turn();
}

test("after 150 ms of silence the server is dialled over another transport; when the first is heard again, that is taken out", async () => {
  path.heardAt = 30;
  fallback.pathDegraded(real(path));
  fallback.pathDegraded(real(path));
  await settle();
  expect(told).toEqual(["dial without quic at 200"]);
  answer("link");
  await settle();
  path.state = "active";
  fallback.pathRecovered(real(path));
  fallback.pathRecovered(real(path));
  expect(told.slice(1)).toEqual(["taken in", "removed 1"]);
});

test("a path that is suspected but heard is left alone", async () => {
  const heard = setInterval(() => (path.heardAt = now), 0);
  fallback.pathDegraded(real(path));
  await settle();
  clearInterval(heard);
  path.state = "active";
  await settle();
  expect(told).toEqual([]);
});

test.each([
  ["recovered", "active", 0],
  ["was closed by wish", "closed", 0],
  ["died, and was dialled again", "dead", 1],
] as const)("a link that comes when the path has %s is closed", async (_, state, otherPaths) => {
  fallback.pathDegraded(real(path));
  await settle();
  path.state = state;
  others = otherPaths;
  answer("link");
  await settle();
  expect(told.slice(1)).toEqual(["link closed"]);
});

test("a path that died while its server was dialled is replaced", async () => {
  fallback.pathDegraded(real(path));
  await settle();
  path.state = "dead";
  fallback.pathDied(real(path));
  answer("link");
  await settle();
  expect(told.slice(1)).toEqual(["taken in"]);
});

test("a path that recovers while its fallback joins has it taken out at once", async () => {
  fallback.pathDegraded(real(path));
  await settle();
  answer("link");
  path.state = "degraded";
  await Promise.resolve();
  path.state = "active";
  await settle();
  expect(told.at(-1)).toMatch(/^(removed 1|link closed)$/);
});

test("nothing is dialled without room, or where there is no other transport; a fallback has none of its own", async () => {
  hasRoom = false;
  fallback.pathDegraded(real(path));
  await settle();
  hasRoom = true;
  hasOther = false;
  fallback.pathDegraded(real(path));
  await settle();
  expect(told).toEqual([]);
  hasOther = true;
  fallback.pathDegraded(real(path));
  await settle();
  answer("link");
  await settle();
  fallback.pathDegraded(real(beside));
  await settle();
  expect(told).toHaveLength(2);
});

test("where no other transport answered, silence is answered anew after a minute, or once another transport was in use", async () => {
  const silent = async (): Promise<void> => {
    path.heardAt = now;
    fallback.pathDegraded(real(path));
    await settle();
  };
  await silent();
  answer("failure");
  await settle();
  await silent();
  now += 59_000;
  await silent();
  expect(told).toHaveLength(1);
  now += 1_000;
  await silent();
  expect(told).toHaveLength(2);
  answer("failure");
  await settle();
  fallback.pathActive(real(path));
  await silent();
  expect(told).toHaveLength(2);
  fallback.pathActive(real(beside));
  await silent();
  expect(told).toHaveLength(3);
});

test("a path that died while nobody answered says nothing of the other transports", async () => {
  fallback.pathDegraded(real(path));
  await settle();
  path.state = "dead";
  path.isFinal = true;
  answer("failure");
  await settle();
  path.state = "degraded";
  path.isFinal = false;
  fallback.pathDegraded(real(path));
  await settle();
  expect(told).toHaveLength(2);
});

test("where the fallback is the better transport, it stays and the other one goes", async () => {
  path = played(0, "tcp");
  beside = played(1, "quic");
  beside.state = "active";
  fallback.pathDegraded(real(path));
  await settle();
  answer("link");
  await settle();
  path.state = "active";
  fallback.pathRecovered(real(path));
  expect(told.slice(1)).toEqual(["taken in", "removed 0"]);
});
