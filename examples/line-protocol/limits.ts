/** One limit of the server: its name with the unit in it, its flag, its default, and what it bounds. */
export interface LimitRow {
  readonly name: string;
  readonly flag: string;
  readonly unit: "bytes" | "count" | "time";
  readonly byDefault: number;
  readonly bounds: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Every limit that a flag can change. The README has the same table, and a test compares them. */
export const limitTable = [
  { name: "maxChunkBytes", flag: "max-chunk", unit: "bytes", byDefault: 256 * KIB, bounds: "payload of one chunk, unescaped" },
  { name: "maxChunksPerItem", flag: "max-chunks", unit: "count", byDefault: 65_536, bounds: "total of one item" },
  { name: "maxItemBytes", flag: "max-item", unit: "bytes", byDefault: 64 * MIB, bounds: "payload of one item" },
  { name: "maxItemsPerSession", flag: "max-items", unit: "count", byDefault: 10_000, bounds: "items that one session may name" },
  { name: "maxSessionBytes", flag: "max-session", unit: "bytes", byDefault: 128 * MIB, bounds: "memory held for one session" },
  { name: "maxServerBytes", flag: "max-memory", unit: "bytes", byDefault: 512 * MIB, bounds: "memory held for all sessions" },
  { name: "maxSessions", flag: "max-sessions", unit: "count", byDefault: 1_024, bounds: "sessions at one time" },
  { name: "maxConnections", flag: "max-connections", unit: "count", byDefault: 256, bounds: "connections at one time" },
  { name: "lineTimeoutMs", flag: "line-timeout", unit: "time", byDefault: 30_000, bounds: "from the first byte of a line to its last" },
  { name: "idleTimeoutMs", flag: "idle-timeout", unit: "time", byDefault: 60_000, bounds: "a connection without a byte" },
  { name: "sessionTimeoutMs", flag: "session-timeout", unit: "time", byDefault: 60_000, bounds: "a session without a connection" },
] as const satisfies readonly LimitRow[];

export type LimitName = (typeof limitTable)[number]["name"];

/** The limits a server keeps. */
export type Limits = Readonly<Record<LimitName, number>>;

export const defaultLimits = Object.fromEntries(limitTable.map((row) => [row.name, row.byDefault])) as Limits;

/** What comes before the payload, or a whole line without one: a name, two numbers, three bars, and room to say what is wrong. */
export const MAX_HEAD_BYTES = 256;
/** What most file systems allow for a file name, with room for what they add to it. */
export const MAX_ITEM_NAME_BYTES = 128;
