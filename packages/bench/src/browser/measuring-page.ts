// Runs in a browser: fetches its task, measures, and sends back what came of it.
import { type ClientSession, dial } from "kwik/browser";
import { Ask, BLOCK_BYTES, encodeRequest, READ_BYTES } from "../request.ts";
import type { FileResult, FileTask, PageReport, PageTask, TransferResult, TransferTask } from "./page-task.ts";

/** What is used of the browser's own WebTransport. */
interface BareSession {
  readonly ready: Promise<unknown>;
  createBidirectionalStream(): Promise<{ readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> }>;
}
type BareConstructor = new (
  url: string,
  options: { readonly serverCertificateHashes: readonly { readonly algorithm: "sha-256"; readonly value: Uint8Array }[] },
) => BareSession;

const block = new Uint8Array(BLOCK_BYTES).fill(7);

const task = (await (await fetch("/task.json")).json()) as PageTask;
let report: PageReport;
try {
  report = { result: task.kind === "file" ? await fetchFile(task) : await transfer(task) };
} catch (error) {
  report = { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}
await fetch("/result", { method: "POST", body: JSON.stringify(report) });

async function transfer(of: TransferTask): Promise<TransferResult> {
  const { direction, bytes, warmUpRounds, rounds } = of;
  const session = await dial(of.kwik.url, { trust: { certificates: [of.kwik.certificate] } });
  const bare = await openBare(of);
  const result = { kwik: [] as number[], bare: [] as number[] };
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    const bareSeconds = await timed(() => (direction === "download" ? downloadBare(bare, bytes) : uploadBare(bare, bytes)));
    const seconds = await timed(() => (direction === "download" ? download(session, bytes) : upload(session, bytes)));
    if (round < 0) continue;
    result.bare.push(bareSeconds);
    result.kwik.push(seconds);
  }
  await session.close();
  return result;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function download(session: ClientSession, bytes: number): Promise<void> {
  const stream = await session.openStreamSync();
  await stream.write(encodeRequest(Ask.download, bytes));
  await stream.close();
  const target = new Uint8Array(READ_BYTES);
  let got = 0;
  for (let count = await stream.readInto(target); count > 0; count = await stream.readInto(target)) got += count;
  if (got !== bytes) throw new Error(`${got} of ${bytes} bytes came`);
}

async function upload(session: ClientSession, bytes: number): Promise<void> {
  const stream = await session.openStreamSync();
  await stream.write(encodeRequest(Ask.upload, bytes));
  for (let left = bytes; left > 0; left -= block.length) await stream.write(left < block.length ? block.subarray(0, left) : block);
  if ((await stream.read()) === null) throw new Error("the server did not answer");
}

async function openBare({ bare }: TransferTask): Promise<BareSession> {
  const { WebTransport } = globalThis as unknown as { readonly WebTransport: BareConstructor };
  const value = Uint8Array.from(bare.certificateHash);
  const session = new WebTransport(bare.url, { serverCertificateHashes: [{ algorithm: "sha-256", value }] });
  await session.ready;
  return session;
}

async function downloadBare(session: BareSession, bytes: number): Promise<void> {
  const { readable, writable } = await session.createBidirectionalStream();
  await writable.getWriter().write(encodeRequest(Ask.download, bytes));
  const reader = readable.getReader();
  for (let left = bytes; left > 0; ) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${bytes - left} of ${bytes} bytes came`);
    left -= value.length;
  }
}

async function uploadBare(session: BareSession, bytes: number): Promise<void> {
  const { readable, writable } = await session.createBidirectionalStream();
  const writer = writable.getWriter();
  await writer.write(encodeRequest(Ask.upload, bytes));
  for (let left = bytes; left > 0; left -= block.length) {
    await writer.ready;
    writer.write(left < block.length ? block.subarray(0, left) : block).catch(() => undefined);
  }
  if ((await readable.getReader().read()).done) throw new Error("the server did not answer");
}

/** As `kwik get`: docs/guide/file-protocol.md. Its bytes were verified when they are read, and are not kept. */
async function fetchFile({ path, servers }: FileTask): Promise<FileResult> {
  const [first = "", ...others] = servers.map(({ url }) => url);
  const certificates = servers.map(({ certificate }) => certificate);
  const start = performance.now();
  const session = await dial(first, { servers: others, trust: { certificates } });
  const stream = await session.openStreamSync();
  await stream.write(new TextEncoder().encode(`${JSON.stringify({ "kwik-files": 1, op: "get", path })}\n`));
  await stream.close();
  let bytes = 0;
  let headBytes = 0;
  for await (const data of stream) {
    // The first line is the answer's head.
    if (headBytes === 0) headBytes = data.indexOf(0x0a) + 1;
    bytes += data.length;
  }
  const seconds = (performance.now() - start) / 1000;
  await session.close();
  return { bytes: bytes - headBytes, seconds };
}
