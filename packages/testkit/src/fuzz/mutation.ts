import fc from "fast-check";

/** Longest input, in bytes: decoders are to meet lengths, not to be filled. */
const MAX_INPUT_BYTES = 16 * 1024;
const MAX_MUTATIONS = 8;

/** One change of some bytes; `other` is another input of the corpus. */
type Mutation = (bytes: Uint8Array, other: Uint8Array) => Uint8Array;

/** A number as wide fields have it where it hurts: zero, one, the largest, and those beside powers of two. */
const EDGES = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xff, 0x3fff, 0x4000, 0xffff, 0x3fffffff, 0x40000000, 0x7fffffff, 0xffffffff];

const place = fc.double({ min: 0, max: 1, noNaN: true });

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(
    ([at, bit]): Mutation =>
      (bytes) =>
        changed(bytes, at, (byte) => byte ^ (1 << bit)),
  ),
  fc.tuple(place, fc.nat(255)).map(
    ([at, value]): Mutation =>
      (bytes) =>
        changed(bytes, at, () => value),
  ),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 12 })).map(
    ([at, more]): Mutation =>
      (bytes) =>
        spliced(bytes, at, 0, more),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 40 })).map(
    ([at, count]): Mutation =>
      (bytes) =>
        spliced(bytes, at, count, NOTHING),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 200 })).map(
    ([at, times]): Mutation =>
      (bytes) =>
        repeated(bytes, at, times),
  ),
  fc.tuple(place, fc.constantFrom(1, 2, 4, 8), fc.constantFrom(...EDGES)).map(
    ([at, width, value]): Mutation =>
      (bytes) =>
        spliced(bytes, at, width, numberBytes(value, width)),
  ),
  place.map(
    (at): Mutation =>
      (bytes) =>
        bytes.subarray(0, indexOf(bytes, at)),
  ),
  fc.tuple(place, place).map(
    ([at, from]): Mutation =>
      (bytes, other) =>
        spliced(bytes, at, 0, other.subarray(indexOf(other, from))),
  ),
);

const NOTHING = new Uint8Array(0);

/** Inputs of a corpus with some changes, and now and then any bytes at all. */
export function mutatedInput(corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const anyBytes = fc.uint8Array({ maxLength: 300 });
  if (corpus.length === 0) return anyBytes;
  const mutated = fc
    .tuple(fc.constantFrom(...corpus), fc.constantFrom(...corpus), fc.array(mutation, { minLength: 1, maxLength: MAX_MUTATIONS }))
    .map(([first, other, mutations]) => {
      let bytes = first;
      for (const mutate of mutations) bytes = mutate(bytes, other).subarray(0, MAX_INPUT_BYTES);
      // Of its own, as bytes from the network are.
      return new Uint8Array(bytes);
    });
  return fc.oneof({ arbitrary: mutated, weight: 9 }, { arbitrary: anyBytes, weight: 1 });
}

function indexOf(bytes: Uint8Array, at: number): number {
  return Math.min(bytes.length, Math.floor(at * (bytes.length + 1)));
}

function changed(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const index = Math.min(indexOf(bytes, at), bytes.length - 1);
  if (index >= 0) copy[index] = change(copy[index] as number);
  return copy;
}

/** `bytes` with `more` in place of `count` bytes. */
function spliced(bytes: Uint8Array, at: number, count: number, more: Uint8Array): Uint8Array {
  const index = indexOf(bytes, at);
  const rest = bytes.subarray(Math.min(bytes.length, index + count));
  const joined = new Uint8Array(index + more.length + rest.length);
  joined.set(bytes.subarray(0, index));
  joined.set(more, index);
  joined.set(rest, index + more.length);
  return joined;
}

function repeated(bytes: Uint8Array, at: number, times: number): Uint8Array {
  const index = indexOf(bytes, at);
  const piece = bytes.subarray(index, index + 16);
  const more = new Uint8Array(piece.length * times);
  for (let i = 0; i < times; i += 1) more.set(piece, i * piece.length);
  return spliced(bytes, at, 0, more);
}

function numberBytes(value: number, width: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes.subarray(8 - width);
}
