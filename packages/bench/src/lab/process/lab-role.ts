import type { Limits } from "kwik";
import type { Direction } from "./lab-stream.ts";

/** What a process of the laboratory can be. */
export type LabRoleName =
  | "tcp-server"
  | "tcp-client"
  | "engine-server"
  | "engine-client"
  | "home-server"
  | "home-client"
  | "content-server"
  | "content-client"
  | "dial-server"
  | "dial-client"
  | "http-target"
  | "counter";

/** What a client of any kind is asked for. */
export interface TransferRequest {
  readonly direction: Direction;
  readonly bytes: number;
}

/** One path as kwik counts it, for the report. */
export interface PathCount {
  readonly address: string;
  readonly state: string;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly bytesResent: number;
  readonly rttMs: number | undefined;
}

/** What kwik itself says about a session after a transfer. */
export interface SessionReport {
  readonly duplicateBytes: number;
  readonly paths: readonly PathCount[];
  /** What happened to its paths: "1234 ms path-dead 10.78.2.1:4433 reason". */
  readonly events: readonly string[];
}

/** What a kwik server says once it works. */
export interface KwikServerReady {
  readonly port: number;
  readonly identity: string;
}

/** What a kwik client is told: the first address is dialled, the others are further servers of its session. */
export interface KwikClientArgument {
  readonly addresses: readonly string[];
  readonly pins: readonly string[];
  readonly limits?: Partial<Limits> | undefined;
}
