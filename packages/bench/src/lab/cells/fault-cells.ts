import type { Line } from "../network/line.ts";
import type { Bar, Cell, Fault } from "./cell.ts";

const LINES: readonly Line[] = [
  { megabitsPerSecond: 50, roundTripMs: 20 },
  { megabitsPerSecond: 50, roundTripMs: 40 },
];
const AFTER_MS = 1_500;
const SECONDS = 3.5;
const REPEATS = 20;
const PEER_REPEATS = 5;

const GAPS: readonly Bar[] = [
  { measure: "gap-p50-ms", kind: "at most", limit: 200 },
  { measure: "gap-p99-ms", kind: "at most", limit: 1_000 },
];

/** Faults for ever, in both directions of data. */
const lasting: readonly Cell[] = (
  [
    ["first server killed", { kind: "kill", server: 0, afterMs: AFTER_MS }, ["down"]],
    ["second server killed", { kind: "kill", server: 1, afterMs: AFTER_MS }, ["down"]],
    ["link down", { kind: "link-down", line: 0, afterMs: AFTER_MS }, ["down", "up"]],
    ["black hole", { kind: "hole", line: 0, side: "both", afterMs: AFTER_MS }, ["down", "up"]],
    ["black hole to the client", { kind: "hole", line: 0, side: "to-client", afterMs: AFTER_MS }, ["down", "up"]],
    ["black hole to the server", { kind: "hole", line: 0, side: "to-server", afterMs: AFTER_MS }, ["down", "up"]],
  ] as const satisfies readonly (readonly [string, Fault, readonly ("down" | "up")[]])[]
).map(([name, fault, directions]) => ({
  name: `6 faults/${name}`,
  lines: LINES,
  directions,
  seconds: SECONDS,
  repeats: REPEATS,
  peerRepeats: PEER_REPEATS,
  fault,
  bars: GAPS,
}));

/** Faults that pass: the line is to be used again. */
const passing: readonly Cell[] = (
  [
    ["link down and up", { kind: "link-down", line: 0, afterMs: 1_000, lastsMs: 3_000 }],
    ["black hole that ends", { kind: "hole", line: 0, side: "both", afterMs: 1_000, lastsMs: 3_000 }],
  ] as const satisfies readonly (readonly [string, Fault])[]
).map(([name, fault]) => ({
  name: `6 return/${name}`,
  lines: LINES,
  directions: ["down", "up"],
  seconds: 7,
  repeats: 5,
  fault,
  bars: [{ measure: "recovered-ms", kind: "at most", limit: 2_000 }],
}));

/** What has to be survived while the bytes run. */
export const faultCells: readonly Cell[] = [...lasting, ...passing];
