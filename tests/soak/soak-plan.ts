/** Nothing of a soak takes longer than this. */
export const STALL_MS = 60_000;

/** Sessions, one wave after the other. */
export interface Wave {
  /** Number of the first session; it decides transport and end of each. */
  readonly first: number;
  readonly sessions: number;
  readonly streamsPerSession: number;
}

/** What a client process is told as its argument, in JSON. */
export interface SoakArgument {
  /** "host:port" */
  readonly address: string;
  readonly identity: string;
}
