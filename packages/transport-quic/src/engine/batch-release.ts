import type { NativeWorker } from "./binding.ts";

/** Events of a batch that may hold an answer up: more of them are bulk. */
const FEW_EVENTS = 4;

/**
 * Tells the engine that a batch of events was taken; without that it stops delivering. The call wakes the engine's thread and costs as much as
 * sending does, so after a few events it waits until what the application answers at once has left.
 */
export function releaseBatch(native: NativeWorker, eventCount: number): void {
  if (eventCount > FEW_EVENTS) native.ackEventBatch(eventCount);
  else setImmediate(release, native, eventCount);
}

function release(native: NativeWorker, eventCount: number): void {
  try {
    native.ackEventBatch(eventCount);
  } catch {
    // It was shut down in the meantime.
  }
}
