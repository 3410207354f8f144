import { ErrorCode, type StreamEntry } from "@kwik/proto";
import { KwikError } from "../api/errors.ts";
import type { StreamAuthRequest, StreamAuthResult } from "../api/options.ts";
import type { Turn, TurnShare } from "./fair-turns.ts";

/** What a gate needs of its session. */
export interface StreamGateOwner {
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
  /** This session's part in the questions of all. */
  readonly turns: TurnShare;
  /** The application was asked and failed, or gave no answer in time. */
  readonly onFault: (why: string) => void;
}

/**
 * Asks the application about each stream of a client before it gets it. So many questions are open at once, for this session and for all of them; streams beyond that
 * wait for their turn, and all that wait count on the client's stream limit.
 */
export class StreamGate {
  readonly #owner: StreamGateOwner;
  readonly #options: StreamGateOptions;
  readonly #queue: StreamEntry[] = [];
  readonly #pending = new Map<StreamEntry, Turn>();
  #isAsking = false;
  #isClosed = false;

  constructor(owner: StreamGateOwner, options: StreamGateOptions) {
    this.#owner = owner;
    this.#options = options;
  }

  submit(entry: StreamEntry): void {
    if (this.#isClosed) return;
    this.#queue.push(entry);
    this.#askNext();
  }

  /** The session is over: nobody waits for an answer any more. What the application was asked it is still at, and each such turn ends with its answer. */
  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#pending.clear();
    this.#options.turns.leave();
  }

  /** In a loop, since an answer may be there at once. */
  #askNext(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { turns, maxPending } = this.#options;
    for (let [next] = this.#queue; next !== undefined && this.#pending.size < maxPending; [next] = this.#queue) {
      const entry = next;
      const turn = turns.begin((afterMs) => this.#late(entry, afterMs));
      if (turn === undefined) {
        turns.wait(() => this.#askNext());
        break;
      }
      this.#queue.shift();
      this.#pending.set(entry, turn);
      this.#ask(entry, turn);
    }
    this.#isAsking = false;
  }

  #ask(entry: StreamEntry, turn: Turn): void {
    const { authorize, facts } = this.#options;
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
      this.#failed(entry, turn, error);
      return;
    }
    // An answer that is there at once keeps streams in the order in which they came, without a turn of the event loop.
    if (!isPromise(answer)) this.#decided(entry, turn, answer);
    else
      answer.then(
        (result) => this.#decided(entry, turn, result),
        (error: unknown) => this.#failed(entry, turn, error),
      );
  }

  #late(entry: StreamEntry, afterMs: number): void {
    const turn = this.#pending.get(entry);
    this.#options.onFault(`no answer within ${afterMs} ms`);
    if (turn !== undefined) this.#decided(entry, turn, false);
  }

  #failed(entry: StreamEntry, turn: Turn, error: unknown): void {
    this.#options.onFault(KwikError.from(error).message);
    this.#decided(entry, turn, false);
  }

  #decided(entry: StreamEntry, turn: Turn, result: StreamAuthResult): void {
    // Unless it was late, or the session is over.
    if (this.#pending.delete(entry)) {
      if (result === true || (typeof result === "object" && result.ok)) this.#owner.admit(entry);
      else this.#owner.refuse(entry, codeOf(result));
    }
    turn.end();
    this.#askNext();
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
