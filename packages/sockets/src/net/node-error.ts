import { constants } from "node:os";
import { isKwikError, type KwikErrorCode } from "@kwik/core";
import { bindCode } from "@kwik/tls";
import { TunnelRefusedError, type TunnelRefusal } from "@kwik/tunnel";

/** Where a connection was to lead, for messages and the fields of an error. */
export interface Place {
  readonly host: string | undefined;
  readonly port: number | undefined;
}

/** What a system call would have said, with the KwikError as `cause`. */
export interface SocketError extends NodeJS.ErrnoException {
  address?: string;
  port?: number;
  hostname?: string;
}

const REFUSALS: Readonly<Record<TunnelRefusal, string>> = {
  "bad-request": "ECONNREFUSED",
  "not-allowed": "ECONNREFUSED",
  "name-not-found": "ENOTFOUND",
  "connection-refused": "ECONNREFUSED",
  unreachable: "EHOSTUNREACH",
  "timed-out": "ETIMEDOUT",
  limit: "ECONNREFUSED",
  draining: "ECONNREFUSED",
  "not-supported": "ECONNREFUSED",
  failed: "ECONNREFUSED",
};

const NAME_ERRORS = new Set(["ENOTFOUND", "EAI_AGAIN"]);

/** After the connection was there; whatever is not here broke it off. */
const BROKEN: Partial<Record<KwikErrorCode, string>> = { NO_PATHS: "ETIMEDOUT", PATH_DEAD: "ETIMEDOUT", TIMEOUT: "ETIMEDOUT" };

/** Why there is no connection. An abort stays what it is. */
export function connectError(cause: unknown, place: Place): Error {
  if (isKwikError(cause) && cause.code === "ABORTED") return abortError(cause.cause ?? cause);
  const code = connectCode(cause);
  const syscall = NAME_ERRORS.has(code) ? "getaddrinfo" : "connect";
  const { host, port } = place;
  const where = host === undefined ? "" : syscall === "connect" && port !== undefined ? ` ${host}:${port}` : ` ${host}`;
  const error = systemError(code, syscall, where, cause);
  if (syscall === "getaddrinfo") {
    if (host !== undefined) error.hostname = host;
    return error;
  }
  if (host !== undefined) error.address = host;
  if (port !== undefined) error.port = port;
  return error;
}

/** Why an open connection ended in the middle. */
export function brokenError(cause: unknown, syscall: "read" | "write"): Error {
  if (!isKwikError(cause)) return cause instanceof Error ? cause : new Error(String(cause));
  return systemError(BROKEN[cause.code] ?? "ECONNRESET", syscall, "", cause);
}

/** Why a server does not listen. */
export function listenError(cause: unknown, { host, port }: Place): Error {
  const code = systemCodeOf(cause) ?? bindCodeOf(cause) ?? "EADDRNOTAVAIL";
  return Object.assign(systemError(code, "listen", ` ${host}:${port}`, cause), { address: host, port });
}

/** A write to somebody who no longer reads. */
export function pipeError(cause: unknown): Error {
  return systemError("EPIPE", "write", "", cause);
}

/** As of Node, with this `code` and without a system call. */
export function codedError<E extends Error>(error: E, code: string): E {
  return Object.assign(error, { code });
}

export function abortError(cause: unknown): Error {
  const error = codedError(new Error("The operation was aborted", { cause }), "ABORT_ERR");
  error.name = "AbortError";
  return error;
}

function connectCode(cause: unknown): string {
  if (cause instanceof TunnelRefusedError) return REFUSALS[cause.refusal];
  const systemCode = systemCodeOf(cause);
  if (systemCode !== undefined) return systemCode;
  if (!isKwikError(cause)) return "ECONNREFUSED";
  // Whoever refuses is heard; the other reason not to reach a server is that nobody answers.
  if (cause.code === "UNREACHABLE") return cause.remote ? "ECONNREFUSED" : "ETIMEDOUT";
  return BROKEN[cause.code] ?? "ECONNREFUSED";
}

/** The system's own word, if the failure began with one. */
function systemCodeOf(cause: unknown): string | undefined {
  for (let at = cause; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code !== undefined && (code in constants.errno || NAME_ERRORS.has(code))) return code;
  }
  return undefined;
}

/** The same, where an engine has only words for it. */
function bindCodeOf(cause: unknown): string | undefined {
  for (let at = cause; at instanceof Error; at = at.cause) {
    const code = bindCode({ message: at.message });
    if (code !== undefined) return code;
  }
  return undefined;
}

function systemError(code: string, syscall: string, where: string, cause: unknown): SocketError {
  const why = cause instanceof Error && cause.message !== "" ? ` (${cause.message})` : "";
  const error: SocketError = new Error(`${syscall} ${code}${where}${why}`, { cause });
  error.code = code;
  error.syscall = syscall;
  const errno = (constants.errno as Readonly<Record<string, number>>)[code];
  if (errno !== undefined) error.errno = -errno;
  return error;
}
