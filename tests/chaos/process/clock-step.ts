const SystemDate = Date;
let offsetMs = 0;

/** The system's clock with an offset: what the program and its libraries in JavaScript believe; native code is not deceived. */
class SteppedDate extends SystemDate {
  constructor(...args: readonly unknown[]) {
    super(...((args.length === 0 ? [SystemDate.now() + offsetMs] : args) as [number]));
  }

  static override now(): number {
    return SystemDate.now() + offsetMs;
  }
}

/** Lets the wall clock of this process jump. The monotonic one goes on. */
export function stepClock(stepMs: number): void {
  offsetMs += stepMs;
}

/** To be called once, before anything else of a process. */
export function installSteppedClock(): void {
  globalThis.Date = SteppedDate as DateConstructor;
}
