import fc from "fast-check";
import { expect, test } from "vitest";
import type { Limits } from "../base/limits.ts";
import { type Act, APPLICATION_ACTS, HostilePlay, PEER_ACTS } from "./hostile-acts.fixture.ts";
import { CREDIT, Stage } from "./played-peer.fixture.ts";

const KiB = 1024;
const { KWIK_SEED, KWIK_RUNS, KWIK_FUZZ_SECONDS, KWIK_FUZZ_SEED } = process.env;
const isLong = KWIK_FUZZ_SECONDS !== undefined;
/** `npm run fuzz` tries others each time. */
const seed = Number(KWIK_SEED ?? KWIK_FUZZ_SEED ?? (isLong ? Date.now() % 2 ** 31 : 20_241));
const runs = Number(KWIK_RUNS ?? (isLong ? 1_000_000 : 150));

/** Small enough for sixty acts to reach them. */
const NARROW: Partial<Limits> = {
  initialStreamWindowBytes: 64 * KiB,
  maxStreamWindowBytes: 128 * KiB,
  initialSessionWindowBytes: 256 * KiB,
  maxSessionWindowBytes: 512 * KiB,
  maxStreams: 20,
  maxControlMessageBytes: 400 * KiB,
  maxDatagramQueue: 16,
  maxPaths: 6,
};
/** What a server takes from a client that does not know its limits yet. spec: CREDIT-5 */
const LEAST_OF_SERVERS = { streamWindowBytes: 256 * KiB, sessionWindowBytes: 1024 * KiB, streams: 100 };
const LEAST_OF_CLIENTS = { streamWindowBytes: 0, sessionWindowBytes: 0, streams: 0 };

const anyDice = fc.array(fc.nat(0xffff), { minLength: 12, maxLength: 12 });

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom(...PEER_ACTS), peer: fc.nat(3), dice: anyDice }) },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constantFrom("packet", "message", "acknowledge", "serve-range"), peer: fc.nat(3), dice: anyDice }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom(...APPLICATION_ACTS), dice: anyDice }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 1, 5, 5, 30, 30, 200, 200, 1000, 7000, 40_000) }),
  },
);

const stages: Readonly<Record<string, () => Stage>> = {
  "a client with three servers": () => clientOfThree({}),
  "a client with narrow limits and three servers": () => clientOfThree(NARROW),
  "a server": () => Stage.server().stage,
  "a server with narrow limits": () => Stage.server(NARROW).stage,
};

function clientOfThree(limits: Partial<Limits>): Stage {
  const { stage } = Stage.client(limits);
  stage.dialVouched("b.example:1", "sha256:b");
  stage.dial("c.example:1", "sha256:c").reply(3);
  return stage;
}

/** Plays the acts; throws if the session does, if it goes round in circles, or holds more than it promised. */
function play(stage: Stage, acts: readonly Act[]): void {
  const { session } = stage;
  const limits = session.state.limits;
  const least = session.state.isClient ? LEAST_OF_CLIENTS : LEAST_OF_SERVERS;
  const player = new HostilePlay(stage);
  const check = (): void => {
    const { peers, streams } = session.state;
    const ofPeer = Math.max(limits.maxStreams, least.streams, CREDIT.maxBidirectionalStreams);
    expect(streams.size).toBeLessThanOrEqual(peers.size * 4 * ofPeer);
    const held = new Map<unknown, number>();
    for (const entry of streams.values()) {
      const bytes = entry.receive?.bufferedBytes ?? 0;
      held.set(entry.peer, (held.get(entry.peer) ?? 0) + bytes);
      if (!session.content.carries(entry))
        expect(bytes).toBeLessThanOrEqual(Math.max(limits.maxStreamWindowBytes, least.streamWindowBytes));
    }
    if (!session.content.hasFetches) {
      // One packet may come before it is known for a violation.
      const most = Math.max(limits.maxSessionWindowBytes, least.sessionWindowBytes) + limits.maxPacketBytes;
      for (const bytes of held.values()) expect(bytes).toBeLessThanOrEqual(most);
    }
    let open = 0;
    for (const path of session.state.paths.all()) if (!path.isFinal) open += 1;
    expect(open).toBeLessThanOrEqual(limits.maxPaths);
  };
  for (const act of acts) {
    player.play(act);
    check();
  }
  // Nobody answers any more: whatever was begun comes to its end, and the session with it.
  stage.pass(limits.graceMs + 200_000);
  check();
  expect(session.state.hasEnded).toBe(true);
}

for (const [name, stageOf] of Object.entries(stages)) {
  test(`whatever valid frames and messages come, in whatever order, ${name} neither throws, hangs nor grows`, () => {
    fc.assert(
      fc.property(fc.array(anyAct, { minLength: 1, maxLength: 60, size: "max" }), (acts) => play(stageOf(), acts)),
      {
        seed,
        numRuns: runs,
        ...(isLong ? { interruptAfterTimeLimit: Number(KWIK_FUZZ_SECONDS) * 1000 } : {}),
        reporter: (result) => {
          if (isLong) process.stderr.write(`${result.numRuns} plays of ${name}\n`);
          if (!result.failed) return;
          const words = [
            `after ${result.numRuns} runs and ${result.numShrinks} times of making it smaller; again with`,
            `  KWIK_SEED=${result.seed} KWIK_RUNS=${result.numRuns} npx vitest run packages/proto/src/session/hostile-acts.test.ts`,
            "the acts:",
            JSON.stringify(result.counterexample?.[0]),
            String((result.errorInstance as Error | undefined)?.stack ?? result.errorInstance),
          ];
          throw new Error(words.join("\n"));
        },
      },
    );
  }, 600_000);
}
