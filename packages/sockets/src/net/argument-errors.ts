import { inspect } from "node:util";
import { codedError } from "./node-error.ts";

/** As Node's for an argument or option of a wrong type; `name` is "options.port" or "callback". */
export function invalidType(name: string, expected: string, value: unknown): TypeError {
  return codedError(new TypeError(`The "${name}" ${kindOf(name)} must be ${expected}. ${received(value)}`), "ERR_INVALID_ARG_TYPE");
}

export function invalidValue(name: string, value: unknown, reason = "is invalid"): TypeError {
  return codedError(new TypeError(`The ${kindOf(name)} '${name}' ${reason}. ${received(value)}`), "ERR_INVALID_ARG_VALUE");
}

export function missingArguments(message: string): TypeError {
  return codedError(new TypeError(message), "ERR_MISSING_ARGS");
}

/** A port as number. Throws ERR_SOCKET_BAD_PORT as `net` does; whether it is there and of which type is for the caller to say. */
export function portNumber(name: string, value: unknown): number {
  const isText = typeof value === "string" && value.trim() !== "";
  const port = typeof value === "number" || isText ? Number(value) : Number.NaN;
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw codedError(new RangeError(`${name} should be >= 0 and < 65536. ${received(value)}.`), "ERR_SOCKET_BAD_PORT");
}

/** A number from `least` up. Throws ERR_INVALID_ARG_TYPE and ERR_OUT_OF_RANGE. */
export function checkMilliseconds(name: string, value: unknown, least = 0): void {
  if (typeof value !== "number") throw invalidType(name, "of type number", value);
  if (Number.isFinite(value) && value >= least) return;
  const wanted = least === 0 ? "a non-negative finite number" : `>= ${least}`;
  throw codedError(new RangeError(`The value of "${name}" is out of range. It must be ${wanted}. ${received(value)}`), "ERR_OUT_OF_RANGE");
}

export function checkCallback(name: string, value: unknown): void {
  if (typeof value !== "function") throw invalidType(name, "of type function", value);
}

function kindOf(name: string): string {
  return name.includes(".") ? "property" : "argument";
}

function received(value: unknown): string {
  return `Received ${inspect(value, { depth: -1 }).slice(0, 128)}`;
}
