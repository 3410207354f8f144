import { EventType, quicBinding } from "./engine/binding.ts";
import type { NativeEvent, NativeSendOutcome } from "./engine/binding.ts";
import { COMMON_OPTIONS } from "./engine/options.ts";
import { withoutAuthoritiesFile, withPrivateTmpdir } from "./engine/private-tmpdir.ts";

/** The engine's settings for kwik; but nobody keeps an idle connection alive here. */
const OPTIONS = { ...COMMON_OPTIONS, maxIdleTimeoutMs: 120_000 };

/** The calls of the engine that a connection needs, bound to it. */
interface ConnectionCalls {
  open(): number;
  send(streamId: number, data: Uint8Array, fin: boolean): NativeSendOutcome;
  closeStream(streamId: number, code: number): void;
}

/**
 * One connection of the bare engine: what measurements compare kwik with. It has no credit, no acknowledgements and no protection
 * against a hostile peer; nothing but measurements may use it.
 */
export class RawConnection {
  /** Told of streams that the peer opened, before their first data. */
  onStream: ((stream: RawStream) => void) | undefined = undefined;
  readonly #calls: ConnectionCalls;
  readonly #streams = new Map<number, RawStream>();
  readonly #refused = new Set<RawStream>();

  constructor(calls: ConnectionCalls) {
    this.#calls = calls;
  }

  openStream(): RawStream {
    return this.#add(this.#calls.open());
  }

  /** Takes one event of the engine that belongs to this connection, or write readiness, which is everybody's. */
  handle(event: NativeEvent): void {
    const stream = this.#streams.get(event.streamId);
    switch (event.eventType) {
      case EventType.stream:
      case EventType.data:
        this.#onData(stream ?? this.#accept(event.streamId), event);
        return;
      case EventType.finished:
        if (stream !== undefined) this.#onEnd(stream);
        return;
      case EventType.blocked:
        if (stream !== undefined) stream.isBlocked = true;
        return;
      case EventType.drain:
        if (stream === undefined) return;
        stream.isBlocked = false;
        stream.resume();
        return;
      case EventType.writeReady: {
        const refused = [...this.#refused];
        this.#refused.clear();
        for (const each of refused) each.resume();
        return;
      }
      case EventType.reset:
      case EventType.error:
        if (event.streamId < 0) return;
        this.#streams.delete(event.streamId);
        this.#calls.closeStream(event.streamId, 0);
        return;
      default:
    }
  }

  #onData(stream: RawStream, event: NativeEvent): void {
    if (event.data !== undefined) stream.onData(event.data);
    if (event.fin === true) this.#onEnd(stream);
  }

  #onEnd(stream: RawStream): void {
    if (stream.hasEnded) return;
    stream.hasEnded = true;
    // What is still to be sent needs the engine's events.
    if (stream.isFinished) this.#streams.delete(stream.id);
    stream.onEnd();
  }

  #accept(id: number): RawStream {
    const stream = this.#add(id);
    this.onStream?.(stream);
    return stream;
  }

  #add(id: number): RawStream {
    const stream = new RawStream(
      id,
      (data, fin) => this.#calls.send(id, data, fin),
      (refused) => this.#refused.add(refused),
    );
    this.#streams.set(id, stream);
    return stream;
  }
}

/** A stream of the bare engine, with a queue for what the engine did not take. */
export class RawStream {
  readonly id: number;
  onData: (data: Uint8Array) => void = ignore;
  onEnd: () => void = ignore;
  /** Everything written was taken by the engine, after some of it was not at once. */
  onDrain: () => void = ignore;
  isBlocked = false;
  /** The peer sends no more. */
  hasEnded = false;
  #isFinished = false;
  readonly #send: (data: Uint8Array, fin: boolean) => NativeSendOutcome;
  readonly #onRefused: (stream: RawStream) => void;
  readonly #queue: { data: Uint8Array; readonly fin: boolean }[] = [];

  constructor(id: number, send: (data: Uint8Array, fin: boolean) => NativeSendOutcome, onRefused: (stream: RawStream) => void) {
    this.id = id;
    this.#send = send;
    this.#onRefused = onRefused;
  }

  /** Whether the engine has taken all that was written. */
  get isDrained(): boolean {
    return this.#queue.length === 0;
  }

  /** Whether the engine has taken the end as well. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  write(data: Uint8Array, fin = false): void {
    this.#queue.push({ data, fin });
    this.#flush();
  }

  /** The engine takes data again. */
  resume(): void {
    this.#flush();
    if (this.isDrained) this.onDrain();
  }

  #flush(): void {
    for (let head = this.#queue[0]; head !== undefined && !this.isBlocked; head = this.#queue[0]) {
      const outcome = this.#send(head.data, head.fin);
      if (outcome.status !== 0) {
        this.#onRefused(this);
        return;
      }
      if (outcome.written < head.data.length) {
        head.data = head.data.subarray(outcome.written);
        return;
      }
      this.#isFinished = head.fin;
      this.#queue.shift();
    }
  }
}

/** Serves the bare engine on 127.0.0.1; answers the port. Ends with the process. */
export function listenRaw(tls: { readonly cert: string; readonly key: string }, onConnection: (connection: RawConnection) => void): number {
  const connections = new Map<number, RawConnection>();
  const native = withPrivateTmpdir(
    () =>
      new (quicBinding().NativeQuicServer)(
        { ...OPTIONS, cert: Buffer.from(tls.cert), key: Buffer.from(tls.key), disableRetry: true },
        (_error, events) => {
          for (const event of events) onEvent(event);
          native.ackEventBatch(events.length);
        },
      ),
  );
  const onEvent = (event: NativeEvent): void => {
    const { connHandle: handle } = event;
    if (event.eventType === EventType.handshake) {
      const connection = new RawConnection({
        open: () => {
          throw new Error("the bare server opens no streams");
        },
        send: (id, data, fin) => native.streamSend(handle, id, data, fin),
        closeStream: (id, code) => void native.streamClose(handle, id, code),
      });
      connections.set(handle, connection);
      onConnection(connection);
    } else if (event.eventType === EventType.close) connections.delete(handle);
    else if (event.eventType === EventType.writeReady) for (const connection of connections.values()) connection.handle(event);
    else connections.get(handle)?.handle(event);
  };
  return withPrivateTmpdir(() => native.listen(0, "127.0.0.1").port);
}

/** Connects the bare engine to 127.0.0.1, without looking at the certificate. Ends with the process. */
export function connectRaw(port: number): Promise<RawConnection> {
  return new Promise((resolve, reject) => {
    const native = withoutAuthoritiesFile(
      () =>
        // audited: measurements on this machine only
        new (quicBinding().NativeQuicClient)({ ...OPTIONS, rejectUnauthorized: false }, (_error, events) => {
          for (const event of events) {
            if (event.eventType === EventType.handshake) resolve(connection);
            else if (event.eventType === EventType.close) reject(new Error("the bare server refused the connection"));
            else connection.handle(event);
          }
          native.ackEventBatch(events.length);
        }),
    );
    const connection = new RawConnection({
      open: () => native.openStream(),
      send: (id, data, fin) => native.streamSend(id, data, fin),
      closeStream: (id, code) => void native.streamClose(id, code),
    });
    withPrivateTmpdir(() => native.connect(`127.0.0.1:${port}`, "localhost"));
  });
}

function ignore(): void {
  // nobody listens
}
