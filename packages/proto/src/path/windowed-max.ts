import type { DurationMs, Instant } from "../base/time.ts";

/**
 * The largest value of a sliding window of time, in constant space: the best, second and third best are kept in order of age
 * (the filter of Kathleen Nichols that Linux uses for BBR). Only an update moves the window: without news the last answer stays.
 */
export class WindowedMax {
  #first = 0;
  #firstAt: Instant = 0;
  #second = 0;
  #secondAt: Instant = 0;
  #third = 0;
  #thirdAt: Instant = 0;
  #isEmpty = true;

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** The largest value; 0 before the first update. */
  get value(): number {
    return this.#first;
  }

  /** When the largest value was seen. */
  get at(): Instant {
    return this.#firstAt;
  }

  update(value: number, windowMs: DurationMs, now: Instant): void {
    if (this.#isEmpty || value >= this.#first || now - this.#thirdAt > windowMs) {
      this.reset(value, now);
      return;
    }
    if (value >= this.#second) {
      this.#second = this.#third = value;
      this.#secondAt = this.#thirdAt = now;
    } else if (value >= this.#third) {
      this.#third = value;
      this.#thirdAt = now;
    }
    this.#expire(value, windowMs, now);
  }

  /** Forgets everything but this value. */
  reset(value: number, now: Instant): void {
    this.#isEmpty = false;
    this.#first = this.#second = this.#third = value;
    this.#firstAt = this.#secondAt = this.#thirdAt = now;
  }

  #expire(value: number, windowMs: DurationMs, now: Instant): void {
    const age = now - this.#firstAt;
    if (age > windowMs) {
      this.#shift(value, now);
      if (now - this.#firstAt > windowMs) this.#shift(value, now);
    } else if (this.#secondAt === this.#firstAt && age > windowMs / 4) {
      this.#second = this.#third = value;
      this.#secondAt = this.#thirdAt = now;
    } else if (this.#thirdAt === this.#secondAt && age > windowMs / 2) {
      this.#third = value;
      this.#thirdAt = now;
    }
  }

  #shift(value: number, now: Instant): void {
    this.#first = this.#second;
    this.#firstAt = this.#secondAt;
    this.#second = this.#third;
    this.#secondAt = this.#thirdAt;
    this.#third = value;
    this.#thirdAt = now;
  }
}
