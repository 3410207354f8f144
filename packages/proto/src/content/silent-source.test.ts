import { expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../base/limits.ts";
import { ContentFetch } from "./content-fetch.ts";
import type { FetchCommand } from "./fetch-command.ts";

const BLOCK = 64 * 1024;
const LENGTH = 512 * BLOCK;
const RTT_MS = 20;
const BYTES_PER_MS = 4096;

type Request = Extract<FetchCommand, { kind: "request" }>;

/** Two servers of one rate that answer in order, higher urgency first; what is asked of whom is kept. */
class TwoServers {
  readonly fetch: ContentFetch;
  readonly asked: Request[] = [];
  readonly #jobs = new Map<number, { readonly request: Request; sent: number; readonly dueAt: number }[]>([
    [1, []],
    [2, []],
  ]);
  silent: number | undefined;
  now = 0;

  constructor() {
    let id = 0;
    const offer = { streamId: 4, offerId: 1, home: 1, streamOffset: 0, contentId: "c", version: "1", contentLength: LENGTH };
    this.fetch = new ContentFetch(
      { ...offer, contentOffset: 0, length: LENGTH, blockBytes: BLOCK, end: true },
      { limits: DEFAULT_LIMITS, allocateRequestId: () => (id += 1) },
    );
    for (const member of this.#jobs.keys()) this.fetch.addSource(member, 0, RTT_MS);
    this.fetch.handleHashes(0, new Uint8Array((LENGTH / BLOCK) * 32), new Uint8Array(32));
    this.#poll();
  }

  advance(ms: number): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 1;
      for (const [member, jobs] of this.#jobs) if (member !== this.silent) this.#deliver(jobs);
      const due = this.fetch.nextTimeout();
      if (due !== undefined && due <= this.now) this.fetch.handleTimeout(this.now);
      this.#poll();
    }
  }

  #deliver(jobs: { readonly request: Request; sent: number; readonly dueAt: number }[]): void {
    const job = jobs.find(({ request, dueAt }) => request.isUrgent && dueAt <= this.now) ?? jobs.find(({ dueAt }) => dueAt <= this.now);
    if (job === undefined) return;
    const bytes = Math.min(BYTES_PER_MS, job.request.length - job.sent);
    this.fetch.handleRangeData(this.now, job.request.requestId, job.request.offset + job.sent, new Uint8Array(bytes));
    job.sent += bytes;
    if (job.sent === job.request.length) jobs.splice(jobs.indexOf(job), 1);
  }

  #poll(): void {
    for (let wanted = this.fetch.pollVerify(); wanted !== undefined; wanted = this.fetch.pollVerify())
      if (wanted.kind === "block") this.fetch.handleVerified(this.now, "block", wanted.block, wanted.attempt, true);
    for (let piece = this.fetch.pollDelivery(); piece !== undefined; piece = this.fetch.pollDelivery())
      this.fetch.setReadOffset(piece.offset + piece.data.length, this.now);
    for (let next = this.fetch.pollRequest(this.now); next !== undefined; next = this.fetch.pollRequest(this.now)) {
      const jobs = this.#jobs.get(next.member) ?? [];
      if (next.kind === "request") {
        this.asked.push(next);
        jobs.push({ request: next, sent: 0, dueAt: this.now + RTT_MS });
      } else {
        const { requestId } = next;
        const index = jobs.findIndex(({ request }) => request.requestId === requestId);
        if (index >= 0) jobs.splice(index, 1);
      }
    }
  }
}

// spec: CONTENT-11
test("what a source owes that has fallen silent is asked of another after a round trip and 50 ms, before what that one was asked for already", () => {
  const servers = new TwoServers();
  servers.advance(300);
  expect(servers.asked.filter(({ isUrgent }) => isUrgent)).toEqual([]);
  servers.silent = 1;
  servers.advance(RTT_MS + 45);
  expect(servers.asked.filter(({ isUrgent }) => isUrgent)).toEqual([]);
  servers.advance(10);
  const urgent = servers.asked.filter(({ isUrgent }) => isUrgent);
  expect(urgent.length).toBeGreaterThan(0);
  expect(urgent.every(({ member }) => member === 2)).toBe(true);
  // It has not been set aside: nobody knows yet whether it is slow.
  expect(servers.fetch.pollIsolated()).toBeUndefined();
});

// spec: CONTENT-4, CONTENT-11
test.each(["suspect", "gone"])("what a source owed that is %s goes before what another was asked for ahead", (what) => {
  const servers = new TwoServers();
  servers.advance(300);
  servers.silent = 1;
  const before = servers.asked.length;
  if (what === "suspect") servers.fetch.suspectSource(1, servers.now);
  else servers.fetch.removeSource(1, servers.now);
  servers.advance(20);
  const [first] = servers.asked.slice(before);
  expect(first).toMatchObject({ member: 2, isUrgent: true });
});

// spec: CONTENT-13
test("a source that pauses now and then costs no more duplicates than are allowed, and stays in use", () => {
  const servers = new TwoServers();
  for (let round = 0; round < 12; round += 1) {
    servers.advance(150);
    servers.silent = 1;
    servers.advance(90);
    servers.silent = undefined;
  }
  expect(servers.fetch.duplicateBytes).toBeLessThanOrEqual(0.02 * LENGTH + BLOCK);
  const bySource = servers.fetch.sources().map(({ bytesReceived }) => bytesReceived);
  expect(Math.min(...bySource)).toBeGreaterThan(0.3 * Math.max(...bySource));
});
