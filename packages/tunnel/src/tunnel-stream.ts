import { type ContentOptions, type ContentSource, KwikError, type Stream } from "@kwik/core";

/** The body of a request or an answer, at most, in bytes. spec: TUN-2 */
export const MAX_TUNNEL_BODY_BYTES = 1024;

const NOTHING = new Uint8Array(0);

/** A stream with a header in front: reads that one first, then gives what follows it. */
export class TunnelStream {
  readonly id: bigint;
  /** `write` keeps nothing of what it is given when it returns. */
  readonly copiesWrites = true;
  protected readonly stream: Stream;
  #rest: Uint8Array = NOTHING;
  #ahead: Promise<Uint8Array | null> | undefined;

  constructor(stream: Stream) {
    this.id = stream.id;
    this.stream = stream;
  }

  /** As `ReceiveStream.read`. */
  read(): Promise<Uint8Array | null> {
    const ahead = this.#ahead;
    if (ahead === undefined) return this.#next();
    this.#ahead = undefined;
    return ahead;
  }

  /** Reads the next piece, or the end, and keeps it for `read`; so a stream that is given up is noticed before anybody wants its bytes. Rejects as `read`. */
  async readAhead(): Promise<void> {
    this.#ahead ??= this.#next();
    await this.#ahead;
  }

  /** As `ReceiveStream.readInto`. */
  async readInto(target: Uint8Array): Promise<number> {
    if (this.#ahead !== undefined) {
      const data = await this.read();
      if (data === null) return 0;
      this.#rest = data;
    }
    if (this.#rest.length === 0 || target.length === 0) return this.stream.readInto(target);
    return this.#copyRest(target);
  }

  /** As `ReceiveStream.readNow`; only after `readReady`. */
  readNow(target: Uint8Array): number | undefined {
    if (this.#ahead !== undefined) return undefined;
    return this.#rest.length === 0 || target.length === 0 ? this.stream.readNow(target) : this.#copyRest(target);
  }

  /** As `ReceiveStream.readReady`. */
  readReady(): Promise<void> {
    if (this.#ahead !== undefined) return this.#takeAhead();
    return this.#rest.length === 0 ? this.stream.readReady() : Promise.resolve();
  }

  /** As `SendStream.write`. */
  write(data: Uint8Array): Promise<void> {
    return this.stream.write(data);
  }

  /** As `Stream.sendContent`. */
  sendContent(source: ContentSource, options?: ContentOptions): Promise<void> {
    return this.stream.sendContent(source, options);
  }

  /** As `SendStream.close`: the other direction stays open. */
  close(): Promise<void> {
    return this.stream.close();
  }

  /** As `SendStream.flushed`. */
  flushed(): Promise<void> {
    return this.stream.flushed();
  }

  /** As `SendStream.reset`: gives up the direction that is written here. */
  reset(code: number): void {
    this.stream.reset(code);
  }

  /** As `ReceiveStream.stopReading`: gives up the direction that is read here. */
  stopReading(code: number): void {
    this.stream.stopReading(code);
  }

  /** Gives up both directions; the code is one of `TunnelReset`, or of the caller's. */
  abort(code: number): void {
    this.stream.reset(code);
    this.stream.stopReading(code);
  }

  /** Reads exactly a head and the body whose length it gives, however the bytes are cut. Rejects as `read`, and with PROTOCOL_VIOLATION. */
  protected async readMessage(
    headBytes: number,
    bodyBytesOf: (head: Uint8Array) => number,
  ): Promise<{ head: Uint8Array; body: Uint8Array }> {
    const head = await this.#readExactly(headBytes);
    const bodyBytes = bodyBytesOf(head);
    if (bodyBytes > MAX_TUNNEL_BODY_BYTES)
      throw new KwikError("PROTOCOL_VIOLATION", `the header of a tunnel has ${bodyBytes} bytes, at most ${MAX_TUNNEL_BODY_BYTES}`);
    return { head, body: await this.#readExactly(bodyBytes) };
  }

  /** By itself, because `read` of an opened tunnel waits for the header. */
  #next(): Promise<Uint8Array | null> {
    if (this.#rest.length === 0) return this.stream.read();
    const rest = this.#rest;
    this.#rest = NOTHING;
    return Promise.resolve(rest);
  }

  #copyRest(target: Uint8Array): number {
    const part = this.#rest.subarray(0, target.length);
    target.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  async #takeAhead(): Promise<void> {
    // Null: the stream says so again.
    this.#rest = (await this.read()) ?? NOTHING;
  }

  async #readExactly(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const data = await this.#next();
      if (data === null) throw new KwikError("PROTOCOL_VIOLATION", "the stream ended within the header of a tunnel");
      const part = data.subarray(0, length - at);
      bytes.set(part, at);
      at += part.length;
      this.#rest = data.subarray(part.length);
    }
    return bytes;
  }
}
