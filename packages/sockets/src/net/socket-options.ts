import type { DuplexOptions } from "node:stream";
import { invalidValue } from "./argument-errors.ts";

/**
 * Options of a socket of its own, whether it connects or was accepted. `allowHalfOpen` (default false): whether this side stays open when the other one
 * has ended. `highWaterMark`: as of every stream. `signal`: destroys the socket.
 */
export type KwikSocketOptions = Pick<DuplexOptions, "allowHalfOpen" | "highWaterMark" | "signal">;

/** Those that a socket takes, of options that may hold others as well. Throws as `net.Socket` for object mode. */
export function socketOptionsOf(options: KwikSocketOptions & Partial<Record<string, unknown>> = {}): KwikSocketOptions {
  for (const name of ["objectMode", "readableObjectMode", "writableObjectMode"]) {
    const isWanted = Boolean(options[name]);
    if (isWanted) throw invalidValue(`options.${name}`, options[name], "is not supported");
  }
  const { allowHalfOpen, highWaterMark, signal } = options;
  return {
    allowHalfOpen: Boolean(allowHalfOpen),
    ...(highWaterMark === undefined ? {} : { highWaterMark }),
    ...(signal === undefined ? {} : { signal }),
  };
}
