import type { DuplexOptions } from "node:stream";

/**
 * Options of a socket of its own, whether it connects or was accepted. `allowHalfOpen` (default false): whether this side stays open when the other one
 * has ended. `highWaterMark`: as of every stream. `signal`: destroys the socket.
 */
export type KwikSocketOptions = Pick<DuplexOptions, "allowHalfOpen" | "highWaterMark" | "signal">;
