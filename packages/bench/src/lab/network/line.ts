/** One line between the client and a server, the same in both directions. */
export interface Line {
  readonly megabitsPerSecond: number;
  /** Without any load, in milliseconds; half of it in each direction. 0 is a plain veth pair. Default 0. */
  readonly roundTripMs?: number;
  /** The round trip wanders evenly within `roundTripMs` ± this, in milliseconds. Default 0. */
  readonly jitterMs?: number;
  /** Packets lost in each direction, 0 to 1. Default 0. */
  readonly lossShare?: number;
  /** Length of the queue before the line. Default: one bandwidth-delay product, and at least 64 packets. */
  readonly queueBytes?: number;
}

/** Largest packet on the wire, with its Ethernet header, in bytes. */
const PACKET_BYTES = 1514;
const LEAST_QUEUE_PACKETS = 64;
/** What the shaper lets through at once, as time on the line: fewer wake-ups of the kernel's timer, and far below any queue. */
const BURST_MS = 1;
const LEAST_BURST_BYTES = 5_000;

/** Bytes under way on a line that is full and has no queue, in bytes. */
export function bandwidthDelayBytes(line: Line): number {
  return (line.megabitsPerSecond * 1e6 * (line.roundTripMs ?? 0)) / 8000;
}

/** How long the queue before the line may become, in bytes. */
export function queueBytesOf(line: Line): number {
  return Math.round(line.queueBytes ?? Math.max(bandwidthDelayBytes(line), LEAST_QUEUE_PACKETS * PACKET_BYTES));
}

/** What `tc qdisc replace dev X root` is to be followed by for this line. */
export function shaperArguments(line: Line): string[] {
  const bytesPerMs = (line.megabitsPerSecond * 1e6) / 8000;
  const burstBytes = Math.round(Math.max(bytesPerMs * BURST_MS, LEAST_BURST_BYTES));
  return ["tbf", "rate", `${Math.round(line.megabitsPerSecond * 1000)}kbit`, "burst", `${burstBytes}`, "limit", `${queueBytesOf(line)}`];
}

/** Whether the line needs the link emulator. */
export function isDelayed(line: Line): boolean {
  return (line.roundTripMs ?? 0) > 0 || (line.jitterMs ?? 0) > 0;
}

/** "300 Mbit/s 40±8 ms 0.5 %". */
export function nameOfLine(line: Line): string {
  const jitter = line.jitterMs === undefined || line.jitterMs === 0 ? "" : `±${line.jitterMs}`;
  const delay = isDelayed(line) ? ` ${line.roundTripMs ?? 0}${jitter} ms` : "";
  const loss = line.lossShare === undefined || line.lossShare === 0 ? "" : ` ${Number((line.lossShare * 100).toPrecision(3))} %`;
  return `${line.megabitsPerSecond} Mbit/s${delay}${loss}`;
}

/** What a host drops of the packets that arrive on one device. */
export interface LineDrops {
  readonly device: string;
  /** Lost at random, 0 to 1. */
  readonly share: number;
  /** Whether all of them disappear. */
  readonly isHole: boolean;
}

/**
 * The nft script of one host, in place of what it had before: a chain of black holes, and one that loses packets at random as they arrive on the devices.
 * A prerouting hook, so that the sender believes that it has sent.
 */
export function dropRules(drops: readonly LineDrops[]): string {
  const holes = drops.filter(({ isHole }) => isHole).map(({ device }) => `    iifname "${device}" drop`);
  const losses = drops
    .filter(({ share }) => share > 0)
    .map(({ device, share }) => `    iifname "${device}" numgen random mod 100000 < ${Math.round(share * 100_000)} drop`);
  return [
    "table inet lab",
    "flush table inet lab",
    "table inet lab {",
    "  chain loss {",
    "    type filter hook prerouting priority -300;",
    ...losses,
    "  }",
    "  chain hole {",
    "    type filter hook prerouting priority -310;",
    ...holes,
    "  }",
    "}",
    "",
  ].join("\n");
}
