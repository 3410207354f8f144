/** Memory that bytes pass through on their way, in bytes; what a read of a socket brings at most. */
const MEMORY_BYTES = 64 * 1024;
/** Kept for the next copies: those that wait for a slow socket hold one each, and make more. */
const MAX_SPARE = 16;

/**
 * All sockets of a process read here. Reads come one at a time, each copied before the next: a buffer of its own for each read, which is what Node makes, costs more than
 * the read, and the collector is started for it many times a second. docs/decisions/0057
 */
export const READ_MEMORY: Buffer = Buffer.allocUnsafeSlow(MEMORY_BYTES);

const spare: Buffer[] = [];

/** Memory to write from. */
export function takeMemory(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(MEMORY_BYTES);
}

/** Nobody reads `memory` any more. */
export function giveMemory(memory: Buffer): void {
  if (spare.length < MAX_SPARE) spare.push(memory);
}
