/** The time of a memory network. Tests may bring their own. */
export interface MemoryClock {
  /** Milliseconds, growing. */
  now(): number;
  /** Runs `action` after about `delayMs`; 0 means in the next turn of the event loop, never within this one. */
  schedule(delayMs: number, action: () => void): void;
}

/** The process's own time. */
export const realClock: MemoryClock = {
  now: () => performance.now(),
  schedule: (delayMs, action) => {
    if (delayMs <= 0) setImmediate(action);
    else setTimeout(action, delayMs);
  },
};
