import type { ClientSession, ReceiveStream } from "kwik";
import { encodeLine, type FileFound, FileRequestError, type ListEntry, parseAnswer, parseEntry } from "./file-protocol.ts";
import { LineReader } from "./line-reader.ts";

/** A file that a server has begun to send. */
export interface OpenedFile {
  readonly found: FileFound;
  /** The next bytes in order; null at the end. */
  read(): Promise<Uint8Array | null>;
}

/** Asks for a file from `offset` on. Rejects with FileRequestError if the server refuses. */
export async function openFile(session: ClientSession, path: string, offset: number, version: string | undefined): Promise<OpenedFile> {
  const reader = await request(session, { op: "get", path, offset, ...(version === undefined ? {} : { version }) });
  const found = await foundAnswer(reader);
  if (found.offset !== offset) throw new FileRequestError("failed", `the server begins at byte ${found.offset} instead of ${offset}`);
  return { found, read: () => reader.read() };
}

/** Hashes of the first blocks of a file. Rejects with FileRequestError if the server refuses. */
export async function fileHashes(session: ClientSession, path: string, blocks: number): Promise<{ found: FileFound; hashes: Uint8Array }> {
  const reader = await request(session, { op: "hashes", path, blocks });
  const found = await foundAnswer(reader);
  const hashes = new Uint8Array(blocks * 32);
  let length = 0;
  for (let data = await reader.read(); data !== null; data = await reader.read()) {
    if (length + data.length > hashes.length) throw new FileRequestError("failed", "the server sent more hashes than were asked for");
    hashes.set(data, length);
    length += data.length;
  }
  return { found, hashes: hashes.subarray(0, length - (length % 32)) };
}

/** What is in a directory. Rejects with FileRequestError if the server refuses. */
export async function* listFiles(session: ClientSession, path: string): AsyncGenerator<ListEntry> {
  const reader = await request(session, { op: "ls", path });
  const answer = await readAnswer(reader);
  if (!("list" in answer)) throw new FileRequestError("failed", "the server answered with something else than a list");
  for (let line = await reader.line(); line !== undefined; line = await reader.line()) yield parseEntry(line);
}

async function request(session: ClientSession, body: object): Promise<LineReader> {
  const stream = await session.openStreamSync();
  await stream.write(encodeLine(body));
  stream.close().catch(() => undefined); // what matters is the answer
  return new LineReader(stream satisfies ReceiveStream);
}

async function foundAnswer(reader: LineReader): Promise<FileFound> {
  const answer = await readAnswer(reader);
  if ("list" in answer) throw new FileRequestError("failed", "the server answered with a list instead of a file");
  return answer;
}

async function readAnswer(reader: LineReader) {
  const line = await reader.line();
  if (line === undefined) throw new FileRequestError("failed", "the server ended the stream without an answer; is it `kwik serve`?");
  const answer = parseAnswer(line);
  if (answer.status === "error") throw new FileRequestError(answer.code, answer.message);
  return answer;
}
