import { type Runtime, systemRuntime } from "./runtime.ts";

/** A runtime whose time passes when it is told to. */
export class PlayedRuntime implements Runtime {
  readonly timers = new Map<object, { readonly at: number; readonly callback: () => void }>();
  #now = 0;

  now(): number {
    return this.#now;
  }

  wallClock(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): object {
    const timer = {};
    this.timers.set(timer, { at: this.#now + delayMs, callback });
    return timer;
  }

  clearTimer(timer: unknown): void {
    this.timers.delete(timer as object);
  }

  afterInput(callback: () => void): void {
    systemRuntime.afterInput(callback);
  }

  queueMicrotask(callback: () => void): void {
    systemRuntime.queueMicrotask(callback);
  }

  randomBytes(length: number): Uint8Array<ArrayBuffer> {
    return systemRuntime.randomBytes(length);
  }

  sha256(parts: readonly Uint8Array[]): Promise<Uint8Array> {
    return systemRuntime.sha256(parts);
  }

  /** Everything that is due by then happens. */
  pass(ms: number): void {
    this.#now += ms;
    for (const [timer, { at, callback }] of [...this.timers]) if (at <= this.#now && this.timers.delete(timer)) callback();
  }
}
