import { ErrorCode, type StreamEntry } from "@kwik/proto";
import { KwikError } from "../api/errors.ts";
import type { StreamAuthRequest, StreamAuthResult } from "../api/options.ts";
import type { Runtime } from "../driver/runtime.ts";

/** What a gate needs of its session. */
export interface StreamGateOwner {
  readonly runtime: Runtime;
  /** The stream may come to the application. */
  admit(entry: StreamEntry): void;
  /** It may not: both halves end with the code. */
  refuse(entry: StreamEntry, code: number): void;
}

export interface StreamGateOptions {
  readonly authorize: (request: StreamAuthRequest) => Promise<StreamAuthResult> | StreamAuthResult;
  /** Facts of a stream's session. */
  readonly facts: () => Pick<StreamAuthRequest, "clientIdentity" | "sessionId" | "role">;
  readonly maxPending: number;
  /** How long one decision may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly onNotice: (message: string) => void;
}

/**
 * Asks the application about each stream of a client before it gets it. So many questions are open at once; streams beyond that wait for their turn, and all
 * that wait count on the client's stream limit.
 */
export class StreamGate {
  readonly #owner: StreamGateOwner;
  readonly #options: StreamGateOptions;
  readonly #queue: StreamEntry[] = [];
  readonly #timers = new Map<StreamEntry, unknown>();
  #isClosed = false;

  constructor(owner: StreamGateOwner, options: StreamGateOptions) {
    this.#owner = owner;
    this.#options = options;
  }

  get pendingCount(): number {
    return this.#timers.size;
  }

  submit(entry: StreamEntry): void {
    if (this.#isClosed) return;
    if (this.#timers.size < this.#options.maxPending) this.#ask(entry);
    else this.#queue.push(entry);
  }

  /** The session is over: nobody waits for an answer any more. */
  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    for (const timer of this.#timers.values()) this.#owner.runtime.clearTimer(timer);
    this.#timers.clear();
  }

  #ask(entry: StreamEntry): void {
    const { authorize, facts, timeoutMs } = this.#options;
    const timer = this.#owner.runtime.setTimer(() => {
      this.#options.onNotice(`authorizeStream gave no answer within ${timeoutMs} ms`);
      this.#decided(entry, false);
    }, timeoutMs);
    this.#timers.set(entry, timer);
    const request: StreamAuthRequest = {
      ...facts(),
      streamId: BigInt(entry.id),
      direction: entry.sender === undefined ? "unidirectional" : "bidirectional",
      priority: entry.sender?.stream.priority ?? 128,
    };
    let answer: Promise<StreamAuthResult> | StreamAuthResult;
    try {
      answer = authorize(request);
    } catch (error) {
      this.#failed(entry, error);
      return;
    }
    // An answer that is there at once keeps streams in the order in which they came, without a turn of the event loop.
    if (!isPromise(answer)) this.#decided(entry, answer);
    else
      answer.then(
        (result) => this.#decided(entry, result),
        (error: unknown) => this.#failed(entry, error),
      );
  }

  #failed(entry: StreamEntry, error: unknown): void {
    this.#options.onNotice(`authorizeStream failed: ${KwikError.from(error).message}`);
    this.#decided(entry, false);
  }

  #decided(entry: StreamEntry, result: StreamAuthResult): void {
    const timer = this.#timers.get(entry);
    // It was late, or the session is over.
    if (timer === undefined) return;
    this.#owner.runtime.clearTimer(timer);
    this.#timers.delete(entry);
    if (result === true || (typeof result === "object" && result.ok)) this.#owner.admit(entry);
    else this.#owner.refuse(entry, codeOf(result));
    const next = this.#queue.shift();
    if (next !== undefined) this.#ask(next);
  }
}

/** The code of a refusal; one that cannot travel is as good as none. */
function codeOf(result: StreamAuthResult): number {
  const code = typeof result === "object" && !result.ok ? result.code : undefined;
  return code !== undefined && Number.isSafeInteger(code) && code >= 0 ? code : ErrorCode.AUTH_REFUSED;
}

function isPromise(answer: unknown): answer is Promise<StreamAuthResult> {
  return typeof answer === "object" && answer !== null && "then" in answer;
}
