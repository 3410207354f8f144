import type { HoleSide } from "@kwik/bench/network";

/** A process of a run, by its number. */
export type ProcessRef = { readonly server: number } | { readonly client: number };

/** What goes wrong. `forMs` is how long it lasts; afterwards it is undone. */
export type Fault =
  /** A process ends at once, and a new one takes its place. */
  | { readonly kind: "kill"; readonly process: ProcessRef; readonly forMs: number }
  /** A server is told to stop, names the others as replacements, and a new one takes its place. */
  | { readonly kind: "drain"; readonly server: number; readonly graceMs: number; readonly forMs: number }
  /** A process stands still (SIGSTOP). */
  | { readonly kind: "pause"; readonly process: ProcessRef; readonly forMs: number }
  /** Packets of a line, or of all of them, disappear without a word. */
  | { readonly kind: "hole"; readonly lines: readonly number[]; readonly side: HoleSide; readonly forMs: number }
  /** The client's end of a line is taken down. */
  | { readonly kind: "link-down"; readonly line: number; readonly forMs: number }
  /** A line loses this share of the packets in each direction. */
  | { readonly kind: "loss"; readonly line: number; readonly share: number; readonly forMs: number }
  /** A line has another rate. */
  | { readonly kind: "rate"; readonly line: number; readonly megabitsPerSecond: number; readonly forMs: number }
  /** The wall clock of a process jumps, and back again. */
  | { readonly kind: "clock"; readonly process: ProcessRef; readonly stepMs: number; readonly forMs: number }
  /** The disk of a client is full. */
  | { readonly kind: "disk-full"; readonly client: number; readonly forMs: number };

export type FaultKind = Fault["kind"];

export const FAULT_KINDS = ["kill", "drain", "pause", "hole", "link-down", "loss", "rate", "clock", "disk-full"] as const;

/** What a fault has in its hands while it lasts: no other has the same at that time. */
export function targetsOf(fault: Fault): readonly string[] {
  switch (fault.kind) {
    case "kill":
    case "drain":
    case "pause":
      return [`process of ${"server" in fault ? nameOf(fault) : nameOf(fault.process)}`];
    case "hole":
      return fault.lines.map((line) => `hole of line ${line}`);
    case "link-down":
      return [`link of line ${fault.line}`];
    case "loss":
      return [`loss of line ${fault.line}`];
    case "rate":
      return [`rate of line ${fault.line}`];
    case "clock":
      return [`clock of ${nameOf(fault.process)}`];
    case "disk-full":
      return [`disk of client ${fault.client}`];
  }
}

/** "kill server 2 for 1.3 s". Numbers count from 0. */
export function describeFault(fault: Fault): string {
  return `${fault.kind} ${detailOf(fault)}for ${(fault.forMs / 1000).toFixed(1)} s`;
}

export function nameOf(process: ProcessRef): string {
  return "server" in process ? `server ${process.server}` : `client ${process.client}`;
}

function detailOf(fault: Fault): string {
  switch (fault.kind) {
    case "kill":
    case "pause":
      return `${nameOf(fault.process)} `;
    case "drain":
      return `server ${fault.server} (${(fault.graceMs / 1000).toFixed(1)} s) `;
    case "hole":
      return `line ${fault.lines.join(", ")} ${fault.side} `;
    case "link-down":
      return `line ${fault.line} `;
    case "loss":
      return `line ${fault.line} ${(fault.share * 100).toFixed(1)} % `;
    case "rate":
      return `line ${fault.line} ${fault.megabitsPerSecond} Mbit/s `;
    case "clock":
      return `${nameOf(fault.process)} ${(fault.stepMs / 1000).toFixed(0)} s `;
    case "disk-full":
      return `client ${fault.client} `;
  }
}
