import { KwikError, PathError, type Session, type Stream, StreamLimitError, type StreamOptions, TimeoutError } from "@kwik/core";
import { ANSWER_HEAD_BYTES, answerBodyBytes, decodeTunnelAnswer } from "./answer-codec.ts";
import { TunnelRefusedError, TunnelReset } from "./refusal.ts";
import { encodeTunnelRequest } from "./request-codec.ts";
import { describeTarget, type TunnelAddress, type TunnelTarget } from "./target.ts";
import { TunnelStream } from "./tunnel-stream.ts";

/** How long a gateway's answer may take, in milliseconds: more than the gateway gives its target, so that its own answer comes first. */
export const ANSWER_TIMEOUT_MS = 15_000;

export interface OpenTunnelOptions extends StreamOptions {
  /** Ends the wait for a stream and for the answer, and the tunnel with it; has no effect once connected. */
  signal?: AbortSignal;
  /** How long to wait for a stream and for the answer, in milliseconds. Default 15000. */
  timeoutMs?: number;
}

/**
 * Asks the server of a session for a target. Resolves as soon as there is a stream, without a round trip: what is written travels behind the
 * request at once. `connected` has the answer; whoever must not lose what it writes to a refusal awaits that first.
 *
 * Rejects with INVALID_ARGUMENT for a target that cannot be written, with TimeoutError where no stream can be had in `timeoutMs`, and as `openStreamSync`.
 */
export async function openTunnel(session: Session, target: TunnelTarget, options: OpenTunnelOptions = {}): Promise<Tunnel> {
  const { timeoutMs = ANSWER_TIMEOUT_MS, signal, ...streamOptions } = options;
  const request = encodeTunnelRequest(target);
  const deadline = performance.now() + timeoutMs;
  const stream = await streamWithin(session, streamOptions, timeoutMs, signal);
  return new OpenedTunnel(stream, target, request, Math.max(0, deadline - performance.now()), timeoutMs, signal);
}

/** At the limit of streams, or while a session has no server, there may be none for long. */
async function streamWithin(session: Session, options: StreamOptions, timeoutMs: number, signal: AbortSignal | undefined): Promise<Stream> {
  try {
    // Nearly always there is one at once.
    if (signal?.aborted !== true) return session.openStream(options);
  } catch (error) {
    if (!(error instanceof StreamLimitError) && !(error instanceof PathError && error.code === "NO_PATHS")) throw error;
  }
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    return await session.openStreamSync({
      ...options,
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    });
  } catch (error) {
    if (late.signal.aborted && signal?.aborted !== true)
      throw new TimeoutError(`no stream for a tunnel within ${timeoutMs} ms`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The client's end of a tunnel. */
export interface Tunnel extends TunnelStream {
  /**
   * The address from which the gateway reaches the target, undefined for unix sockets; resolves when the connection is there. Rejects with
   * TunnelRefusedError, TimeoutError, ABORTED, or what ended the stream; the tunnel is over then.
   */
  readonly connected: Promise<TunnelAddress | undefined>;
}

class OpenedTunnel extends TunnelStream implements Tunnel {
  readonly connected: Promise<TunnelAddress | undefined>;
  #isConnected = false;

  constructor(
    stream: ConstructorParameters<typeof TunnelStream>[0],
    target: TunnelTarget,
    request: Uint8Array,
    restMs: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ) {
    super(stream);
    // A failure shows in the answer as well.
    stream.write(request).catch(() => undefined);
    this.connected = this.#connect(target, restMs, timeoutMs, signal);
    this.connected.catch(() => undefined);
  }

  override async read(): Promise<Uint8Array | null> {
    if (!this.#isConnected) await this.connected;
    return super.read();
  }

  override async readInto(buffer: Uint8Array): Promise<number> {
    if (!this.#isConnected) await this.connected;
    return super.readInto(buffer);
  }

  override readNow(target: Uint8Array): number | undefined {
    return this.#isConnected ? super.readNow(target) : undefined;
  }

  override readReady(): Promise<void> {
    return this.#isConnected ? super.readReady() : this.connected.then(() => super.readReady());
  }

  async #connect(
    target: TunnelTarget,
    restMs: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<TunnelAddress | undefined> {
    let given: KwikError | undefined;
    const giveUp = (error: KwikError): void => {
      given = error;
      this.abort(TunnelReset.cancelled);
    };
    const onAbort = (): void => giveUp(new KwikError("ABORTED", "the tunnel was aborted", { cause: signal?.reason }));
    const timer = setTimeout(() => giveUp(new TimeoutError(`no answer about ${describeTarget(target)} within ${timeoutMs} ms`)), restMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal?.aborted === true) onAbort();
      const { head, body } = await this.#message();
      const answer = decodeTunnelAnswer(head, body);
      if (!answer.connected) throw new TunnelRefusedError(answer.refusal, `${describeTarget(target)}: ${answer.reason || answer.refusal}`);
      this.#isConnected = true;
      return answer.bound;
    } catch (error) {
      this.abort(TunnelReset.cancelled);
      throw given ?? error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #message(): Promise<{ head: Uint8Array; body: Uint8Array }> {
    return this.readMessage(ANSWER_HEAD_BYTES, answerBodyBytes);
  }
}
