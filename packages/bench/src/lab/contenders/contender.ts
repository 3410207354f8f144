import type { Limits } from "kwik";
import { type Cell, smallWindowBytesOf } from "../cells/cell.ts";
import type { Topology } from "../network/lab-network.ts";
import type { Direction } from "../process/lab-stream.ts";
import { runAria2 } from "./aria2-contender.ts";
import type { LabBench, RunOrder } from "./lab-bench.ts";
import { runEngine, runKwikHome, runKwikServers, runMptcp, runTcp } from "./node-contenders.ts";
import type { RunRecord } from "./run-record.ts";
import { CONGESTION_CONTROLS, runSharedKwik, runSharedTcp } from "./shared-contenders.ts";

/** Something that transfers bytes in a cell. */
export interface Contender {
  readonly name: string;
  readonly topology: Topology;
  readonly directions: readonly Direction[];
  run(bench: LabBench, order: RunOrder): Promise<RunRecord>;
}

const BOTH: readonly Direction[] = ["down", "up"];

/** All that can take part in a cell, in the order in which they run. */
export function contendersOf(cell: Cell, wanted: readonly string[] | undefined): Contender[] {
  const all = cell.sharedServers === undefined ? lineContenders(cell) : sharedContenders();
  const accepts = (names: readonly string[] | undefined, name: string): boolean =>
    names === undefined || names.some((one) => name === one || name.startsWith(`${one}-`));
  return all.filter(({ name }) => accepts(cell.contenders, name) && accepts(wanted, name));
}

function lineContenders(cell: Cell): Contender[] {
  const { fault, lines } = cell;
  const fastest = lines.reduce((best, line, index) => (line.megabitsPerSecond > (lines[best]?.megabitsPerSecond ?? 0) ? index : best), 0);
  const isKill = fault?.kind === "kill";
  // One line alone says nothing about a fault of it.
  const alone: Contender[] =
    fault !== undefined
      ? []
      : [
          ...lines.map(
            (_, index): Contender => ({
              name: `engine-${index + 1}`,
              topology: "home",
              directions: BOTH,
              run: (bench, order) => runEngine(bench, order, index),
            }),
          ),
          { name: "tcp", topology: "home", directions: BOTH, run: (bench, order) => runTcp(bench, order, fastest) },
        ];
  const home: Contender[] = isKill
    ? []
    : [
        { name: "mptcp", topology: "home", directions: BOTH, run: runMptcp },
        { name: "kwik-home", topology: "home", directions: BOTH, run: (bench, order) => runKwikHome(bench, order, lines.length) },
      ];
  const servers: Contender[] = [
    { name: "aria2", topology: "servers", directions: ["down"], run: runAria2 },
    { name: "kwik-servers", topology: "servers", directions: ["down"], run: (bench, order) => runKwikServers(bench, order) },
  ];
  // Only where a cell names it: kwik over its first line alone.
  const one: Contender[] =
    cell.contenders?.includes("kwik-one") === true
      ? [{ name: "kwik-one", topology: "home", directions: BOTH, run: (bench, order) => runKwikHome(bench, order, 1) }]
      : [];
  const limits = windowLimits(smallWindowBytesOf(cell));
  const small: Contender[] =
    cell.hasSmallWindow === true
      ? [
          {
            name: "kwik-home-small",
            topology: "home",
            directions: BOTH,
            run: (bench, order) => runKwikHome(bench, order, lines.length, limits),
          },
          {
            name: "kwik-servers-small",
            topology: "servers",
            directions: ["down"],
            run: (bench, order) => runKwikServers(bench, order, limits),
          },
        ]
      : [];
  return [...alone, ...home, ...servers, ...one, ...small];
}

/** The limits that hold what a reader has not taken yet below `bytes`. */
function windowLimits(bytes: number): Partial<Limits> {
  return { maxStreamWindowBytes: bytes, maxSessionWindowBytes: bytes, maxContentWindowBytes: bytes };
}

function sharedContenders(): Contender[] {
  return CONGESTION_CONTROLS.flatMap((control): Contender[] => [
    {
      name: `tcp-beside-tcp-${control}`,
      topology: "shared",
      directions: ["down"],
      run: (bench, order) => runSharedTcp(bench, order, control),
    },
    {
      name: `kwik-servers-${control}`,
      topology: "shared",
      directions: ["down"],
      run: (bench, order) => runSharedKwik(bench, order, control),
    },
  ]);
}
