import type { Line } from "../network/line.ts";
import type { Cell } from "./cell.ts";

/** Rate and round trip of both lines; loss and jitter are those of the second. */
type Profile = readonly [
  name: string,
  first: readonly [megabitsPerSecond: number, roundTripMs: number],
  second: readonly [megabitsPerSecond: number, roundTripMs: number],
  lossShare?: number,
  jitterMs?: number,
];

/** Sixteen pairs that span rate ratios of 1 to 10, round trips up to 100 ms apart, loss up to 2 % and jitter. */
const PROFILES: readonly Profile[] = [
  ["equal", [50, 20], [50, 20]],
  ["equal, 20 ms apart", [50, 20], [50, 40]],
  ["equal, 50 ms apart", [50, 10], [50, 60]],
  ["equal, 100 ms apart", [50, 10], [50, 110]],
  ["2:1", [80, 20], [40, 20]],
  ["2:1, slow is far", [80, 20], [40, 70]],
  ["2:1, fast is far", [80, 70], [40, 20]],
  ["5:1", [100, 20], [20, 20]],
  ["5:1, slow is far", [100, 10], [20, 60]],
  ["10:1", [100, 20], [10, 20]],
  ["10:1, slow is far", [100, 10], [10, 110]],
  ["10:1, fast is far", [100, 110], [10, 10]],
  ["equal, 0.5 % loss", [50, 20], [50, 20], 0.005],
  ["equal, 2 % loss", [50, 20], [50, 20], 0.02],
  ["5:1, 1 % loss, far", [100, 20], [20, 60], 0.01],
  ["3:1, jitter and 0.5 % loss", [90, 15], [30, 50], 0.005, 20],
];

/** The sixteen profiles in which kwik is never to be slower than the best line alone. */
export const profileCells: readonly Cell[] = PROFILES.map(([name, first, second, lossShare = 0, jitterMs = 0]) => {
  const lines: readonly Line[] = [
    { megabitsPerSecond: first[0], roundTripMs: first[1] },
    { megabitsPerSecond: second[0], roundTripMs: second[1], lossShare, jitterMs },
  ];
  return {
    name: `4 profiles/${name}`,
    lines,
    directions: ["down", "up"],
    bars: [{ measure: "of-best-single", kind: "at least", limit: 0.98 }],
  };
});
