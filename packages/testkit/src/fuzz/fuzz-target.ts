import fc from "fast-check";
import { mutatedInput } from "./mutation.ts";

/** Inputs by the name of what they show: bytes in hex, or a text. */
export type FuzzCorpus = Readonly<Record<string, { readonly hex: string } | { readonly text: string }>>;

/** Something that reads what strangers wrote. */
export interface FuzzTarget {
  /** Kept inputs; all of them are tried, and others are made from them. */
  readonly corpus: FuzzCorpus;
  /**
   * Reads an input, and throws if that breaks a promise: an error of another kind than is documented, another outcome when the bytes are cut, more memory than
   * allowed. `cut` says how long the pieces are in which bytes arrive, in turns.
   */
  read(input: Uint8Array, cut: readonly number[]): unknown;
}

export interface FuzzBudget {
  readonly ms: number;
  /** Default: another one each time. */
  readonly seed?: number;
  /** Told how much was tried. */
  tell?(outcome: FuzzOutcome): void;
}

/** How much of a target was tried. */
export interface FuzzOutcome {
  readonly kept: number;
  readonly made: number;
}

/** Each turn lets others of the process have theirs. */
const TURN_MS = 500;

const cuts = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 4_000 })), {
  minLength: 1,
  maxLength: 6,
});

/** Tries the corpus whole, then made inputs until the time is over. Rejects with the smallest input found that breaks a promise, and how to keep it. */
export async function fuzz(target: FuzzTarget, budget: FuzzBudget): Promise<FuzzOutcome> {
  const { ms, seed = Date.now() % 2 ** 31 } = budget;
  const entries = Object.entries(target.corpus);
  // A name that is written wrong would leave a target with nothing but noise, and nobody would see it.
  if (entries.length === 0) throw new Error("a target without a kept input: is its corpus named as in fuzz-corpus.json?");
  for (const [name, entry] of entries) {
    for (const cut of [[1], [3, 50], [100_000]]) {
      try {
        await target.read(inputOf(entry), cut);
      } catch (error) {
        throw new Error(`the kept input "${name}" breaks a promise in pieces of ${cut.join(", ")}`, { cause: error });
      }
    }
  }
  const input = mutatedInput(entries.map(([, entry]) => inputOf(entry)));
  const property = fc.asyncProperty(input, cuts, async (bytes, cut) => {
    await target.read(bytes, cut);
  });
  const end = performance.now() + ms;
  let made = 0;
  for (let turn = 0; performance.now() < end; turn += 1) {
    const result = await fc.check(property, {
      seed: seed + turn,
      numRuns: 1_000_000,
      interruptAfterTimeLimit: Math.min(TURN_MS, end - performance.now()),
    });
    made += result.numRuns;
    if (result.failed && result.counterexample !== null) throw found(result.counterexample, seed + turn, result.errorInstance);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const outcome = { kept: entries.length, made };
  budget.tell?.(outcome);
  return outcome;
}

/** As a decoder gets it from a network that cuts. */
export function pieces(input: Uint8Array, cut: readonly number[]): readonly Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let at = 0; at < input.length; ) {
    const length = Math.max(1, cut[all.length % cut.length] ?? input.length);
    all.push(input.subarray(at, at + length));
    at += length;
  }
  return all;
}

function inputOf(entry: FuzzCorpus[string]): Uint8Array {
  return "hex" in entry ? new Uint8Array(Buffer.from(entry.hex, "hex")) : new TextEncoder().encode(entry.text);
}

function found([bytes, cut]: readonly [Uint8Array, readonly number[]], seed: number, cause: unknown): Error {
  const hex = Buffer.from(bytes).toString("hex");
  const words = [
    `an input breaks a promise, in pieces of ${cut.join(", ")} bytes (seed ${seed}). Keep it in the corpus:`,
    `  "WHAT IT SHOWS": { "hex": "${hex}" }`,
    `as text: ${JSON.stringify(Buffer.from(bytes).toString("utf8").slice(0, 300))}`,
    cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
  ];
  return new Error(words.join("\n"), { cause });
}

/** What `npm test` spends on a target, in milliseconds: there are some thirty of them. */
const USUAL_MS = 120;

/** The budget of this run: that of `npm run fuzz`, or a short one. */
export function fuzzBudget(): FuzzBudget {
  const { KWIK_FUZZ_SECONDS: seconds, KWIK_FUZZ_SEED: seed } = process.env;
  return {
    ms: seconds === undefined ? USUAL_MS : Number(seconds) * 1000,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(seconds === undefined ? {} : { tell: ({ kept, made }) => void process.stderr.write(`${kept} inputs kept, ${made} made\n`) }),
  };
}
