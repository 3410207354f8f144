import type { ClientSession } from "kwik/browser";

const LINE_FEED = 0x0a;

/** What the first line of an answer says; docs/guide/file-protocol.md. */
interface Answer {
  readonly status: "ok" | "error";
  readonly message?: string;
  readonly size?: number;
}

/**
 * A file of `kwik serve`, from every server of the session that has it, each block verified. It is kept in memory. `onProgress` is told how many
 * bytes there are.
 */
export async function fetchFile(
  session: ClientSession,
  path: string,
  onProgress: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = await session.openStreamSync();
  await stream.write(new TextEncoder().encode(`${JSON.stringify({ "kwik-files": 1, op: "get", path })}\n`));
  stream.close().catch(() => undefined); // what matters is the answer

  const utf8 = new TextDecoder();
  let head = "";
  let rest: Uint8Array | undefined;
  while (rest === undefined) {
    const data = await stream.read();
    if (data === null) throw new Error("the server ended the stream without an answer");
    const end = data.indexOf(LINE_FEED);
    head += utf8.decode(end < 0 ? data : data.subarray(0, end), { stream: end < 0 });
    if (end >= 0) rest = data.subarray(end + 1);
  }
  const answer = JSON.parse(head) as Answer;
  if (answer.status !== "ok" || answer.size === undefined) throw new Error(answer.message ?? "the server refused");

  const file = new Uint8Array(answer.size);
  file.set(rest);
  let bytes = rest.length;
  while (bytes < file.length) {
    const count = await stream.readInto(file.subarray(bytes));
    if (count === 0) throw new Error(`the stream ended after ${bytes} of ${file.length} bytes`);
    bytes += count;
    onProgress(bytes);
  }
  return file;
}
