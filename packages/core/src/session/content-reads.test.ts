import type { ContentServer, SessionEvent } from "@kwik/proto";
import { expect, test } from "vitest";
import type { ContentRequest, ContentSource } from "../api/content.ts";
import type { SessionDriver } from "../driver/session-driver.ts";
import { systemRuntime } from "../driver/runtime.ts";
import { FairTurns } from "../server/fair-turns.ts";
import { ContentReads } from "./content-reads.ts";

type ReadWanted = Extract<SessionEvent, { type: "content-read" }>;

const LENGTH = 4;

function wanted(requestId: number, contentId = "a.bin"): ReadWanted {
  return { type: "content-read", requestId, contentId, version: "1", contentLength: LENGTH, offset: 0, length: LENGTH };
}

function turnsOf(max: number): FairTurns {
  return new FairTurns(max, 30_000, systemRuntime);
}

/** Reads over a store whose openings end when the test says so. */
function staged(turns = turnsOf(1_000).share("192.0.2.0/24"), timeoutMs = 30_000) {
  const answered: string[] = [];
  const faults: string[] = [];
  const reasons: string[] = [];
  const closed: string[] = [];
  const openings: ((source: ContentSource | Error | undefined) => void)[] = [];
  const requests: (ContentRequest | undefined)[] = [];
  const driver = { schedule: () => undefined, runtime: systemRuntime };
  const server = {
    handleRead: (requestId: number) => answered.push(`read ${requestId}`),
    handleReadFailed: (requestId: number, _offset: number, _code: number, reason: string) => {
      answered.push(`failed ${requestId}`);
      reasons.push(reason);
    },
  };
  // Only these calls are made.
  const reads = new ContentReads(
    driver as unknown as SessionDriver,
    server as unknown as ContentServer,
    {
      open: (_id, request) => {
        requests.push(request);
        return new Promise((resolve, reject) => openings.push((source) => (source instanceof Error ? reject(source) : resolve(source))));
      },
    },
    () => ({ clientIdentity: "ali", sessionId: "01" }),
    () => undefined,
    turns,
    (hook, why) => faults.push(`${hook}: ${why}`),
    timeoutMs,
  );
  const source = (name: string, version = "1"): ContentSource => ({
    id: "a.bin",
    version,
    length: BigInt(LENGTH),
    read: () => Promise.resolve(new Uint8Array(LENGTH)),
    close: async () => void closed.push(name),
  });
  return { reads, answered, faults, reasons, closed, openings, requests, source };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a source is opened once for many reads and closed at the end", async () => {
  const { reads, answered, closed, openings, requests, source } = staged();
  reads.handle(wanted(1));
  reads.handle(wanted(2));
  expect(requests).toEqual([{ clientIdentity: "ali", sessionId: "01" }]);
  openings[0]?.(source("first"));
  await turn();
  expect([openings.length, answered]).toEqual([1, ["read 1", "read 2"]]);
  reads.close();
  await turn();
  expect(closed).toEqual(["first"]);
});

test("a read that comes after the end opens nothing", async () => {
  const { reads, answered, openings } = staged();
  reads.close();
  reads.handle(wanted(1));
  await turn();
  expect([openings.length, answered]).toEqual([0, ["failed 1"]]);
});

test("what was being opened at the end is closed once it is open", async () => {
  const { reads, closed, openings, source } = staged();
  reads.handle(wanted(1));
  reads.close();
  await turn();
  expect(closed).toEqual([]);
  openings[0]?.(source("late"));
  await turn();
  expect(closed).toEqual(["late"]);
});

test("a source that has become another version is opened anew, and another version is not kept", async () => {
  const { reads, answered, closed, openings, source } = staged();
  reads.handle(wanted(1));
  openings[0]?.(source("new", "2"));
  await turn();
  expect([answered, closed]).toEqual([["failed 1"], ["new"]]);
  reads.handle(wanted(2));
  const changing = { ...source("changing"), version: "1" };
  openings[1]?.(changing);
  await turn();
  changing.version = "2";
  reads.handle(wanted(3));
  await turn();
  openings[2]?.(source("again"));
  await turn();
  expect([openings.length, answered, closed]).toEqual([3, ["failed 1", "read 2", "read 3"], ["new", "changing"]]);
});

test("sixteen contents are being opened at once, further ones wait for their turn", async () => {
  const { reads, answered, openings, source } = staged();
  for (let id = 1; id <= 30; id += 1) reads.handle(wanted(id, `${id}.bin`));
  await turn();
  expect(openings.length).toBe(16);
  openings[3]?.(source("fourth"));
  openings[5]?.(undefined);
  await turn();
  expect([openings.length, answered.toSorted()]).toEqual([18, ["failed 6", "read 4"]]);
  for (let n = 0; n < 30; n += 1) {
    openings[n]?.(source(String(n)));
    await turn();
  }
  expect([openings.length, answered.length]).toEqual([30, 30]);
});

test("contents that wait for their turn at the end are not opened any more, and their reads are answered", async () => {
  const { reads, answered, closed, openings, source } = staged();
  for (let id = 1; id <= 20; id += 1) reads.handle(wanted(id, `${id}.bin`));
  reads.close();
  await turn();
  expect(answered).toEqual(["failed 17", "failed 18", "failed 19", "failed 20"]);
  for (const [n, open] of openings.entries()) open(source(String(n)));
  await turn();
  expect([openings.length, closed.length]).toEqual([16, 16]);
});

test("a source is not closed while it is read, however many contents are asked for at once", async () => {
  const { reads, answered, closed, openings, source } = staged();
  const isClosed = new Set<string>();
  const strict = (name: string): ContentSource => ({
    ...source(name),
    read: async () => {
      if (isClosed.has(name)) throw new Error("closed");
      await turn();
      if (isClosed.has(name)) throw new Error("closed");
      return new Uint8Array(LENGTH);
    },
    close: async () => {
      isClosed.add(name);
      closed.push(name);
    },
  });
  for (let id = 1; id <= 60; id += 1) reads.handle(wanted(id, `${id}.bin`));
  for (let n = 0; n < 60; n += 1) {
    openings[n]?.(strict(String(n)));
    await turn();
  }
  for (let n = 0; n < 4; n += 1) await turn();
  expect(answered.filter((answer) => answer.startsWith("failed"))).toEqual([]);
  expect([answered.length, closed.length]).toEqual([60, 60 - 32]);
});

test("a source that is read is closed when its last reader is done, though another version was asked for meanwhile", async () => {
  const { reads, answered, closed, openings, source } = staged();
  const ends: (() => void)[] = [];
  const slow = (name: string, version: string): ContentSource => ({
    ...source(name, version),
    read: () => new Promise((resolve) => ends.push(() => resolve(new Uint8Array(LENGTH)))),
  });
  reads.handle(wanted(1));
  openings[0]?.(slow("old", "1"));
  await turn();
  reads.handle({ ...wanted(2), version: "2" });
  await turn();
  // It is opened anew at once, and those that read the old one are not disturbed.
  openings[1]?.(slow("new", "2"));
  await turn();
  reads.handle({ ...wanted(3), version: "2" });
  await turn();
  expect([openings.length, ends.length, closed]).toEqual([2, 3, []]);
  ends[0]?.();
  await turn();
  expect([answered, closed]).toEqual([["read 1"], ["old"]]);
  for (const end of ends) end();
  await turn();
  expect([answered, closed]).toEqual([["read 1", "read 2", "read 3"], ["old"]]);
  reads.close();
  await turn();
  expect(closed).toEqual(["old", "new"]);
});

test("of all sessions together so many openings are under way, and one network leaves others a turn", async () => {
  const all = turnsOf(4);
  const greedy = [staged(all.share("192.0.2.0/24")), staged(all.share("192.0.2.0/24"))] as const;
  const other = staged(all.share("198.51.100.0/24"));
  for (let id = 0; id < 5; id += 1) for (const { reads } of greedy) reads.handle(wanted(id, `content ${id}`));
  await turn();
  expect(greedy[0].openings.length + greedy[1].openings.length).toBe(2);
  other.reads.handle(wanted(1));
  await turn();
  expect(other.openings.length).toBe(1);
  other.openings[0]?.(other.source("other"));
  greedy[0].openings[0]?.(greedy[0].source("first"));
  await turn();
  expect(other.answered).toEqual(["read 1"]);
  expect(greedy[0].openings.length + greedy[1].openings.length).toBe(3);
  // Whoever leaves waits no more, and holds nothing up.
  greedy[0].reads.close();
  expect(all.underWay).toBe(2);
  for (let round = 0; round < 5; round += 1) {
    for (const opened of greedy[1].openings) opened(undefined);
    await turn();
  }
  expect(greedy[1].answered.length).toBe(5);
  all.stop();
});

test("what a store or a source says when it fails is told here, and to the client only that it failed", async () => {
  const { reads, answered, faults, reasons, openings, source } = staged();
  reads.handle(wanted(1));
  openings[0]?.(new Error("EACCES: /srv/private"));
  await turn();
  reads.handle(wanted(2));
  openings[1]?.({ ...source("first"), read: () => Promise.reject(new Error("EIO: /srv/private/a.bin")) });
  await turn();
  expect(answered).toEqual(["failed 1", "failed 2"]);
  expect(faults).toEqual(['ContentStore.open: "a.bin": EACCES: /srv/private', 'ContentSource.read: "a.bin": EIO: /srv/private/a.bin']);
  expect(reasons.join(" ")).not.toContain("/srv");
});

test("a read that is never answered is given up after its time, told of, and what comes late changes nothing", async () => {
  const { reads, answered, faults, openings, source } = staged(undefined, 20);
  reads.handle(wanted(1));
  await expect.poll(() => answered).toEqual(["failed 1"]);
  expect(faults).toEqual(['ContentSource.read: "a.bin": no answer within 20 ms']);
  openings[0]?.(source("late"));
  await turn();
  reads.handle(wanted(2));
  await turn();
  expect(answered.at(-1)).toBe("read 2");
});
