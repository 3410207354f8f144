import type { ContentSource, ContentStore, ReceiveStream, ServerSession, Stream } from "kwik";
import { BLOCK_BYTES, encodeLine, FileRequestError, type FileRequest, parseRequest } from "./file-protocol.ts";
import { LineReader } from "./line-reader.ts";
import type { ServedDirectory } from "./served-directory.ts";

/** Answers of lists and hashes are written in pieces of about this size. */
const WRITE_BYTES = 64 * 1024;

export interface FileServiceOptions {
  readonly directory: ServedDirectory;
  /** The same files as contents. */
  readonly store: ContentStore;
  /** Waits until so many bytes may be sent; contents wait in `store`. */
  readonly pace: (bytes: number) => Promise<void>;
}

/** Answers requests for files, one per stream. */
export class FileService {
  readonly #options: FileServiceOptions;

  constructor(options: FileServiceOptions) {
    this.#options = options;
  }

  /** Serves a session to its end. What goes wrong with one stream ends that stream alone. */
  async serve(session: ServerSession): Promise<void> {
    for await (const stream of session.incomingStreams()) void this.#answer(stream).catch(() => undefined);
  }

  async #answer(stream: Stream): Promise<void> {
    try {
      const request = await readRequest(stream);
      if (request === undefined) await stream.close();
      else if (request.op === "ls") await this.#list(stream, request.path);
      else if (request.op === "hashes") await this.#sendHashes(stream, request);
      else await this.#sendFile(stream, request);
    } catch (error) {
      const { code, message } = error instanceof FileRequestError ? error : new FileRequestError("failed", "the server could not read it");
      await stream.write(encodeLine({ status: "error", code, message }));
      await stream.close();
    }
  }

  async #list(stream: Stream, path: string): Promise<void> {
    const entries = await this.#options.directory.list(path);
    await this.#write(stream, encodeLine({ status: "ok", list: true }));
    let pending: Uint8Array[] = [];
    let bytes = 0;
    for (const entry of entries) {
      const line = encodeLine(entry);
      pending.push(line);
      bytes += line.length;
      if (bytes < WRITE_BYTES) continue;
      await this.#write(stream, Buffer.concat(pending));
      pending = [];
      bytes = 0;
    }
    await this.#write(stream, Buffer.concat(pending));
    await stream.close();
  }

  async #sendHashes(stream: Stream, request: Extract<FileRequest, { op: "hashes" }>): Promise<void> {
    const source = await this.#open(request.path);
    try {
      const hashes = (await source.hashes?.(BLOCK_BYTES)) ?? [];
      await this.#write(stream, encodeLine(foundOf(source, 0)));
      const wanted = hashes.slice(0, request.blocks);
      const perWrite = WRITE_BYTES / 32;
      for (let at = 0; at < wanted.length; at += perWrite) await this.#write(stream, Buffer.concat(wanted.slice(at, at + perWrite)));
      await stream.close();
    } finally {
      await source.close?.();
    }
  }

  async #sendFile(stream: Stream, request: Extract<FileRequest, { op: "get" }>): Promise<void> {
    const source = await this.#open(request.path);
    try {
      if (request.version !== undefined && request.version !== source.version) {
        throw new FileRequestError("version-changed", `"${request.path}" has changed on the server`);
      }
      if (request.offset % BLOCK_BYTES !== 0 || request.offset > Number(source.length)) {
        throw new FileRequestError(
          "bad-request",
          `a file can be continued at multiples of ${BLOCK_BYTES} bytes within it, not at ${request.offset}`,
        );
      }
      await this.#write(stream, encodeLine(foundOf(source, request.offset)));
      await stream.sendContent(source, { offset: BigInt(request.offset), end: true });
    } finally {
      await source.close?.();
    }
  }

  async #open(path: string): Promise<ContentSource> {
    const id = await this.#options.directory.fileId(path);
    const source = await this.#options.store.open(id);
    if (source === undefined) throw new FileRequestError("not-found", `"${path}" is not here`);
    return source;
  }

  async #write(stream: Stream, data: Uint8Array): Promise<void> {
    await this.#options.pace(data.length);
    await stream.write(data);
  }
}

function foundOf(source: ContentSource, offset: number): object {
  return {
    status: "ok",
    name: source.id.slice(source.id.lastIndexOf("/") + 1),
    size: Number(source.length),
    version: source.version,
    offset,
  };
}

async function readRequest(stream: ReceiveStream): Promise<FileRequest | undefined> {
  const line = await new LineReader(stream).line();
  return line === undefined ? undefined : parseRequest(line);
}
