import type { Line } from "../network/line.ts";
import type { Bar, Cell } from "./cell.ts";

const MEBIBYTE = 1024 * 1024;
const BOTH = ["down", "up"] as const;

function ofSum(limit: number): readonly Bar[] {
  return [
    { measure: "of-sum-single", kind: "at least", limit },
    { measure: "of-best-single", kind: "at least", limit: 0.98 },
  ];
}

function rates(...megabitsPerSecond: readonly number[]): Line[] {
  return megabitsPerSecond.map((one) => ({ megabitsPerSecond: one }));
}

const equal: readonly Cell[] = [2, 3].map((count) => ({
  name: `1 equal/${count} × 100`,
  lines: rates(...Array.from({ length: count }, () => 100)),
  directions: BOTH,
  bars: ofSum(0.97),
}));

const unequal: readonly Cell[] = [
  { name: "2 unequal/10+50+100", lines: rates(10, 50, 100), directions: BOTH, bars: ofSum(0.95) },
  {
    name: "2 unequal/300 10 ms + 80 30 ms",
    lines: [
      { megabitsPerSecond: 300, roundTripMs: 10 },
      { megabitsPerSecond: 80, roundTripMs: 30 },
    ],
    directions: BOTH,
    bars: ofSum(0.9),
  },
  {
    name: "2 unequal/300 + 30 40±8 ms 0.5 %",
    lines: [
      { megabitsPerSecond: 300, roundTripMs: 10 },
      { megabitsPerSecond: 30, roundTripMs: 40, jitterMs: 8, lossShare: 0.005 },
    ],
    directions: BOTH,
    bars: [{ measure: "of-best-single", kind: "at least", limit: 1 }],
  },
];

/** The scenarios of the kernel's simult_flows self-test; its delays are of one direction, set on both ends. */
const simultaneous: readonly Cell[] = (
  [
    ["10+10", 10, 10, 0, 0],
    ["10 1 ms + 10 50 ms", 10, 10, 1, 50],
    ["30+10", 30, 10, 0, 0],
    ["30 1 ms + 10 50 ms", 30, 10, 1, 50],
    ["30 50 ms + 10 1 ms", 30, 10, 50, 1],
  ] as const
).map(([name, first, second, firstMs, secondMs]) => ({
  name: `3 simult_flows/${name}`,
  lines: [
    { megabitsPerSecond: first, roundTripMs: 2 * firstMs },
    { megabitsPerSecond: second, roundTripMs: 2 * secondMs },
  ],
  directions: BOTH,
  bytes: 16 * MEBIBYTE,
  bars: [
    {
      measure: "seconds",
      kind: "at most",
      limit: (16 * MEBIBYTE * 8) / (0.9 * (first + second) * 1e6) + 0.45,
      contenders: ["kwik-home", "kwik-servers", "mptcp"],
    },
  ],
}));

const threeLines: readonly Line[] = [
  { megabitsPerSecond: 50, roundTripMs: 20 },
  { megabitsPerSecond: 50, roundTripMs: 40 },
  { megabitsPerSecond: 50, roundTripMs: 60 },
];

const latency: readonly Cell[] = [
  {
    name: "5 latency/first byte of three paths",
    lines: threeLines,
    directions: ["down"],
    bytes: MEBIBYTE,
    repeats: 9,
    contenders: ["kwik", "kwik-one", "tcp", "mptcp"],
    bars: [{ measure: "first-byte-of-one", kind: "at most", limit: 1.1, contenders: ["kwik-home"] }],
  },
  {
    name: "5 latency/queue of 4 products",
    lines: threeLines.map((line) => ({
      ...line,
      queueBytes: Math.round((line.megabitsPerSecond * (line.roundTripMs ?? 0) * 1000 * 4) / 8),
    })),
    directions: BOTH,
    bars: [{ measure: "queue-of-bdp", kind: "at most", limit: 1 }],
  },
  {
    name: "5 latency/window of 2 products",
    lines: threeLines,
    directions: ["down"],
    hasSmallWindow: true,
    contenders: ["kwik"],
    bars: [{ measure: "of-default-window", kind: "at least", limit: 0.98 }],
  },
];

const tail: readonly Cell[] = [
  {
    name: "7 tail/100+100+5",
    lines: [
      { megabitsPerSecond: 100, roundTripMs: 10 },
      { megabitsPerSecond: 100, roundTripMs: 10 },
      { megabitsPerSecond: 5, roundTripMs: 10 },
    ],
    directions: ["down"],
    contenders: ["kwik-servers", "aria2", "kwik-home", "mptcp"],
    bars: [
      { measure: "tail-share", kind: "at most", limit: 1.2, contenders: ["kwik-servers"] },
      { measure: "duplicate-share", kind: "at most", limit: 0.02, contenders: ["kwik-servers"] },
    ],
  },
];

const shared: readonly Cell[] = [
  {
    name: "8 shared/3 servers behind 100",
    lines: [{ megabitsPerSecond: 100, roundTripMs: 20 }],
    directions: ["down"],
    sharedServers: 3,
    bars: [{ measure: "of-tcp-flow", kind: "at most", limit: 1.5, contenders: ["kwik-servers-cubic", "kwik-servers-bbr"] }],
  },
];

const longFat: readonly Cell[] = [
  {
    name: "9 long fat/400 100 ms",
    lines: [{ megabitsPerSecond: 400, roundTripMs: 100 }],
    directions: BOTH,
    // Finding the rate takes the first two seconds; nobody asks for a line like this for less.
    seconds: 20,
    bars: [{ measure: "of-link", kind: "at least", limit: 0.9 }],
  },
];

/** The cells of all bars but those of the profiles and of the faults. */
export const barCells: readonly Cell[] = [...equal, ...unequal, ...simultaneous, ...latency, ...tail, ...shared, ...longFat];
