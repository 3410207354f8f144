import type { Tally } from "../load/tally.ts";

/** From the run to a process. */
export interface Question {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

/** From a process to the run. Answer 0 is readiness. */
export type Message =
  | { readonly type: "answer"; readonly id: number; readonly value?: unknown; readonly error?: string }
  | { readonly type: "violation"; readonly text: string }
  | { readonly type: "tally"; readonly tally: Tally };
