import { ErrorCode, errorName } from "@kwik/proto";

/** What does not happen on a healthy network; a test says which of them it is about. */
export type IncidentKind =
  | "path-degraded"
  | "path-recovered"
  | "path-dead"
  | "path-failed"
  | "suspended"
  | "resumed"
  | "source-isolated"
  | "source-slow"
  | "redial"
  | "stream-failed"
  | "resent";

/** One of them. */
export interface Incident {
  readonly at: number;
  readonly kind: IncidentKind;
  readonly side: string;
  readonly detail: string;
}

/** Codes with which no honest end ever closes a path to another. */
const FAULTS: ReadonlySet<number> = new Set([
  ErrorCode.INTERNAL_ERROR,
  ErrorCode.PROTOCOL_VIOLATION,
  ErrorCode.FRAME_ENCODING,
  ErrorCode.CHECKSUM_MISMATCH,
  ErrorCode.TOO_LARGE,
  ErrorCode.FLOW_CONTROL,
  ErrorCode.STREAM_LIMIT,
  ErrorCode.STREAM_STATE,
  ErrorCode.FINAL_SIZE,
  ErrorCode.VERSION,
  ErrorCode.NOT_KWIK,
]);

/** The record of what went wrong in a simulation, and the judgement of it. */
export class Incidents {
  readonly all: Incident[] = [];
  readonly #now: () => number;
  readonly #expected: ReadonlySet<IncidentKind>;

  constructor(now: () => number, expected: readonly IncidentKind[]) {
    this.#now = now;
    this.#expected = new Set(expected);
  }

  note(kind: IncidentKind, side: string, detail: string): void {
    this.all.push({ at: this.#now(), kind, side, detail });
  }

  /** A session closes a link. Throws if it accuses its peer: every end of a simulation is honest. */
  closing(side: string, pathId: number, code: number, reason: string): void {
    if (FAULTS.has(code)) throw new Error(`at ${this.#now()} ms ${side} closed path ${pathId} with ${errorName(code)}: ${reason}`);
  }

  ofKind(kind: IncidentKind): Incident[] {
    return this.all.filter((incident) => incident.kind === kind);
  }

  /** Throws if anything happened that was not expected. */
  check(): void {
    const surprises = this.all.filter((incident) => !this.#expected.has(incident.kind));
    if (surprises.length === 0) return;
    const lines = surprises.slice(0, 10).map((one) => `  at ${one.at.toFixed(1)} ms ${one.side}: ${one.kind}, ${one.detail}`);
    throw new Error(`${surprises.length} incidents that were not expected:\n${lines.join("\n")}`);
  }
}
