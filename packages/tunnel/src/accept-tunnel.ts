import { isKwikError, KwikError, type Stream, TimeoutError } from "@kwik/core";
import { encodeTunnelAnswer } from "./answer-codec.ts";
import { type TunnelRefusal, TunnelReset, TunnelStatus } from "./refusal.ts";
import { decodeTunnelRequest, REQUEST_HEAD_BYTES, requestBodyBytes } from "./request-codec.ts";
import type { TunnelAddress, TunnelTarget } from "./target.ts";
import { TunnelStream } from "./tunnel-stream.ts";

/** How long a request may take to come in whole, in milliseconds. */
export const REQUEST_TIMEOUT_MS = 10_000;

export interface AcceptTunnelLimits {
  /** Default 10000. */
  readonly timeoutMs?: number;
}

/**
 * Reads the request of a stream that the other side opened. What follows it waits in the stream's window until it is read.
 *
 * Rejects with PROTOCOL_VIOLATION, VERSION or NOT_SUPPORTED, which the other side is told, with TimeoutError, or with what ended the stream; it is over then.
 */
export async function acceptTunnel(stream: Stream, limits: AcceptTunnelLimits = {}): Promise<IncomingTunnel> {
  const { timeoutMs = REQUEST_TIMEOUT_MS } = limits;
  const tunnel = new AcceptedTunnel(stream);
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
    tunnel.abort(TunnelReset.idle);
  }, timeoutMs);
  try {
    await tunnel.readRequest();
    return tunnel;
  } catch (error) {
    if (late.signal.aborted) throw new TimeoutError(`no whole request for a tunnel within ${timeoutMs} ms`, { cause: error });
    if (!isKwikError(error) || error.remote) throw error;
    tunnel.refuse(error.code === "NOT_SUPPORTED" || error.code === "VERSION" ? "not-supported" : "bad-request", error.message);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The gateway's end of a tunnel: to be answered once, by `accept` or `refuse`. */
export interface IncomingTunnel extends TunnelStream {
  readonly target: TunnelTarget;
  /** Says that the target is connected, and from which address; not awaited before writing. Throws CLOSED after an answer. */
  accept(bound?: TunnelAddress): void;
  /** Says why not, in one sentence (255 bytes), and ends the tunnel. Throws CLOSED after an answer. */
  refuse(refusal: TunnelRefusal, reason: string): void;
}

class AcceptedTunnel extends TunnelStream implements IncomingTunnel {
  #target: TunnelTarget | undefined;
  #isAnswered = false;

  get target(): TunnelTarget {
    return this.#target as TunnelTarget;
  }

  async readRequest(): Promise<void> {
    const { head, body } = await this.readMessage(REQUEST_HEAD_BYTES, requestBodyBytes);
    this.#target = decodeTunnelRequest(head, body);
  }

  accept(bound?: TunnelAddress): void {
    this.#answer(encodeTunnelAnswer({ connected: true, bound }));
  }

  refuse(refusal: TunnelRefusal, reason: string): void {
    this.#answer(encodeTunnelAnswer({ connected: false, refusal, reason }));
    this.stream.stopReading(TunnelStatus[refusal]);
    this.stream.close().catch(() => undefined);
  }

  #answer(bytes: Uint8Array): void {
    if (this.#isAnswered) throw new KwikError("CLOSED", "this tunnel was answered before");
    this.#isAnswered = true;
    // The stream's own end is seen by whoever reads or writes next.
    this.stream.write(bytes).catch(() => undefined);
  }
}
