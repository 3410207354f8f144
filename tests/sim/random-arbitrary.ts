import type { Operation } from "@kwik/testkit";
import fc from "fast-check";
import type { RandomCase } from "./random-case.ts";

const side = fc.constantFrom("client" as const, "server" as const);
const small = fc.nat(7);
const bytes = fc.oneof(fc.nat(3_000), fc.nat(400_000), fc.nat(3_000_000));

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    arbitrary: fc.record({
      do: fc.constant("open" as const),
      by: side,
      server: small,
      isOneWay: fc.boolean(),
      bytes,
      priority: fc.constantFrom(128, 128, 0, 255),
    }),
    weight: 6,
  },
  { arbitrary: fc.record({ do: fc.constant("write" as const), stream: small, side, bytes }), weight: 6 },
  { arbitrary: fc.record({ do: fc.constantFrom("finish" as const, "pause" as const, "resume" as const), stream: small, side }), weight: 5 },
  {
    arbitrary: fc.record({ do: fc.constantFrom("reset" as const, "stop-reading" as const), stream: small, side, code: fc.nat(50) }),
    weight: 2,
  },
  { arbitrary: fc.record({ do: fc.constant("priority" as const), stream: small, side, priority: fc.nat(255) }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant("add-path" as const), server: small, line: small }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant("remove-path" as const), server: small, path: small }), weight: 1 },
  {
    arbitrary: fc.record({
      do: fc.constant("blackhole" as const),
      line: small,
      direction: fc.constantFrom("up" as const, "down" as const, "both" as const),
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ do: fc.constantFrom("heal" as const, "heal" as const, "cut" as const), line: small }), weight: 5 },
  {
    arbitrary: fc.record({
      do: fc.constantFrom("kill" as const, "restart" as const, "restart" as const, "going-away" as const),
      server: small,
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      do: fc.constant("drain" as const),
      server: small,
      replacement: small,
      graceMs: fc.oneof(fc.nat(3_000), fc.constant(90_000)),
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ do: fc.constant("outage" as const), ms: fc.oneof(fc.nat(3_500), fc.nat(8_000)) }), weight: 1 },
  {
    arbitrary: fc.record({
      do: fc.constant("freeze" as const),
      isClient: fc.boolean(),
      server: small,
      ms: fc.oneof(fc.nat(3_500), fc.nat(20_000)),
      isAsleep: fc.boolean(),
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ do: fc.constant("rate" as const), line: small, bytesPerMs: fc.integer({ min: 50, max: 20_000 }) }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant("content" as const), stream: small, bytes, isEnd: fc.boolean() }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant("contribute" as const), stream: small, server: small, bytes }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant("raw" as const), server: small, path: small, bytes: fc.nat(100_000) }), weight: 2 },
  {
    arbitrary: fc.record({
      do: fc.constant("datagram" as const),
      server: small,
      isFromClient: fc.boolean(),
      bytes: fc.nat(10_000),
      isOnAll: fc.boolean(),
    }),
    weight: 1,
  },
  { arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.oneof(fc.nat(30), fc.nat(400), fc.nat(4_000)) }), weight: 10 },
  { arbitrary: fc.constant({ do: "close" as const }), weight: 1 },
);

const line = fc.record({ mbit: fc.constantFrom(5, 20, 100), rttMs: fc.constantFrom(1, 20, 120), isRough: fc.boolean() });
/** Sessions over one to three servers, and up to forty things that happen in them. */
export const randomCase: fc.Arbitrary<RandomCase> = fc.record({
  seed: fc.nat(1_000_000),
  servers: fc.array(fc.record({ lines: fc.array(line, { minLength: 1, maxLength: 2 }) }), { minLength: 1, maxLength: 3 }),
  operations: fc.array(operation, { minLength: 5, maxLength: 40, size: "max" }),
  serverGraceMs: fc.constantFrom(4_000, 4_000, 1_000, 12_000),
});
