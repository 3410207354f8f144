import type { TunnelEnd } from "@kwik/splice";
import type { LinkMeter } from "./relay-meter.ts";

/** A client's end of a link, counted and no faster than allowed. What is written keeps its order, however long each piece has to wait. */
export class MeteredEnd implements TunnelEnd {
  readonly #tunnel: TunnelEnd;
  readonly #meter: LinkMeter;
  readonly #pace: (bytes: number) => Promise<void>;
  /** Resolves when what was written so far may go; never rejects. */
  #turn: Promise<void> = Promise.resolve();

  /** `pace` resolves when so many bytes may go; it must not reject. */
  constructor(tunnel: TunnelEnd, meter: LinkMeter, pace: (bytes: number) => Promise<void>) {
    this.#tunnel = tunnel;
    this.#meter = meter;
    this.#pace = pace;
  }

  async read(): Promise<Uint8Array | null> {
    const data = await this.#tunnel.read();
    if (data === null) return null;
    await this.#pace(data.length);
    this.#meter.sent(data.length);
    return data;
  }

  write(data: Uint8Array): Promise<void> {
    this.#turn = this.#turn.then(() => this.#pace(data.length));
    return this.#turn.then(() => {
      this.#meter.received(data.length);
      return this.#tunnel.write(data);
    });
  }

  close(): Promise<void> {
    return this.#turn.then(() => this.#tunnel.close());
  }

  flushed(): Promise<void> {
    return this.#turn.then(() => this.#tunnel.flushed());
  }

  reset(code: number): void {
    this.#tunnel.reset(code);
  }

  stopReading(code: number): void {
    this.#tunnel.stopReading(code);
  }

  abort(code: number): void {
    this.#tunnel.abort(code);
  }
}
