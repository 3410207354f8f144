import { SeededRng } from "@kwik/proto";

/** A prime, so that packets and blocks of usual sizes never fall on the same place of the pattern twice. */
const PERIOD = 1_048_573;

/** The pattern twice in a row: any stretch of up to a period is one view. */
const table = makeTable();

/** The bytes of pattern `key` at `offset`, as a view that must not be changed. At most 1 MiB at once. */
export function patternView(key: number, offset: number, length: number): Uint8Array {
  if (length > PERIOD) throw new RangeError(`a view of the pattern has at most ${PERIOD} bytes`);
  const start = (((offset + key * 7919) % PERIOD) + PERIOD) % PERIOD;
  return table.subarray(start, start + length);
}

/** As `patternView`, of any length and a copy of its own. */
export function patternBytes(key: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; done += PERIOD) bytes.set(patternView(key, offset + done, Math.min(PERIOD, length - done)), done);
  return bytes;
}

/** Offset, counted from the start of `data`, of the first byte that is not the pattern's; undefined if all are. */
export function firstDifference(key: number, offset: number, data: Uint8Array): number | undefined {
  for (let done = 0; done < data.length; done += PERIOD) {
    const part = data.subarray(done, done + PERIOD);
    const expected = patternView(key, offset + done, part.length);
    if (bufferOf(part).equals(expected)) continue;
    return done + part.findIndex((byte, index) => byte !== expected[index]);
  }
  return undefined;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function makeTable(): Uint8Array {
  const rng = new SeededRng(0x6b77696b);
  const bytes = new Uint8Array(2 * PERIOD);
  for (let i = 0; i < PERIOD; i += 1) bytes[i] = rng.next() * 256;
  bytes.copyWithin(PERIOD, 0, PERIOD);
  return bytes;
}
