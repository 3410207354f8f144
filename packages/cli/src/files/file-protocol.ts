/**
 * How `kwik serve` and `kwik get` talk about files: an application of streams and contents, described in docs/guide/file-protocol.md.
 * One request and one answer per stream.
 */

/** Version of this protocol, in every line as the value of `kwik-files`. */
export const FILE_PROTOCOL_VERSION = 1;

/** A request or answer line, at most, in bytes. */
export const MAX_LINE_BYTES = 64 * 1024;

/** Blocks by which a file is resumed and compared, in bytes. */
export { FILE_BLOCK_BYTES as BLOCK_BYTES } from "kwik";

export type FileRequest =
  | { readonly op: "get"; readonly path: string; readonly offset: number; readonly version: string | undefined }
  | { readonly op: "hashes"; readonly path: string; readonly blocks: number }
  | { readonly op: "ls"; readonly path: string };

export const FILE_ERRORS = ["not-found", "forbidden", "is-directory", "not-directory", "version-changed", "bad-request", "failed"] as const;
export type FileErrorCode = (typeof FILE_ERRORS)[number];

/** The answer's first line. The bytes of the file, its hashes or the lines of a list follow. */
export type FileAnswer = FileFound | ListFound | { readonly status: "error"; readonly code: FileErrorCode; readonly message: string };

export interface FileFound {
  readonly status: "ok";
  readonly name: string;
  /** Bytes of the whole file. */
  readonly size: number;
  readonly version: string;
  /** Where the bytes that follow begin in the file. */
  readonly offset: number;
}

export interface ListFound {
  readonly status: "ok";
  readonly list: true;
}

export interface ListEntry {
  readonly name: string;
  readonly type: "file" | "directory";
  /** Bytes; of directories 0. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** A refusal to be told to the client. */
export class FileRequestError extends Error {
  readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string) {
    super(message);
    this.name = "FileRequestError";
    this.code = code;
  }
}

const encoder = new TextEncoder();

/** One line of the protocol, ready to be written. */
export function encodeLine(value: object): Uint8Array {
  return encoder.encode(`${JSON.stringify({ "kwik-files": FILE_PROTOCOL_VERSION, ...value })}\n`);
}

/** Reads a request. Throws FileRequestError for what is not one. */
export function parseRequest(line: string): FileRequest {
  const fields = parseLine(line);
  const { op, path } = fields;
  if (typeof path !== "string") throw new FileRequestError("bad-request", '"path" is missing');
  if (op === "ls") return { op, path };
  if (op === "hashes") return { op, path, blocks: count(fields["blocks"], "blocks") };
  if (op === "get") {
    const { version } = fields;
    return { op, path, offset: count(fields["offset"], "offset"), version: typeof version === "string" ? version : undefined };
  }
  throw new FileRequestError("bad-request", `there is no operation ${JSON.stringify(op)}`);
}

/** Reads the answer's first line. Throws FileRequestError for what is not one. */
export function parseAnswer(line: string): FileAnswer {
  const fields = parseLine(line);
  const { status, code, message, name, version } = fields;
  if (status === "error") {
    return {
      status,
      code: FILE_ERRORS.find((known) => known === code) ?? "failed",
      message: typeof message === "string" ? message : "no reason was given",
    };
  }
  if (status !== "ok") throw new FileRequestError("bad-request", `the answer has the status ${JSON.stringify(status)}`);
  if (fields["list"] === true) return { status, list: true };
  if (typeof name !== "string" || typeof version !== "string")
    throw new FileRequestError("bad-request", "the answer has no name or version");
  return { status, name, version, size: count(fields["size"], "size"), offset: count(fields["offset"], "offset") };
}

/** Reads one line of a list. */
export function parseEntry(line: string): ListEntry {
  const { name, type, size, modifiedMs } = parseLine(line);
  if (typeof name !== "string" || name === "" || (type !== "file" && type !== "directory")) {
    throw new FileRequestError("bad-request", "a line of the list is malformed");
  }
  return { name, type, size: count(size, "size"), modifiedMs: typeof modifiedMs === "number" ? modifiedMs : 0 };
}

function parseLine(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new FileRequestError("bad-request", "the line is not JSON");
  }
  if (typeof value !== "object" || value === null) throw new FileRequestError("bad-request", "the line is not a JSON object");
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields["kwik-files"] !== FILE_PROTOCOL_VERSION) {
    throw new FileRequestError("bad-request", `this is not version ${FILE_PROTOCOL_VERSION} of the file protocol`);
  }
  return fields;
}

function count(value: unknown, name: string): number {
  if (value === undefined) return 0;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new FileRequestError("bad-request", `"${name}" is not a whole number from 0 on`);
}
