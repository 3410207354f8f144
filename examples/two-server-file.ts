// One file from two servers on one stream. The client dials the first server only and just reads. The first server adds the second one to
// the session, tells it by a raw message which parts to send, and sends the others itself.
// Run it: npx node --conditions=kwik-source examples/two-server-file.ts
import { createHash, generateKeyPairSync, randomFillSync } from "node:crypto";
import { dial, type Listener, listen, type ServerSession } from "kwik";

const CHUNK_BYTES = 256 * 1024;
const file = randomFillSync(new Uint8Array(6_000_000)); // both servers have it

/** What the first server tells the second. */
interface Order {
  readonly streamId: string;
  readonly chunks: readonly number[];
}

// What makes two servers a cluster: the first signs join tickets, the second believes its signature.
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const ticketVerifyKeys = [publicKey.export({ type: "spki", format: "pem" })];
const ticketSigningKey = privateKey.export({ type: "pkcs8", format: "pem" });

await using first = await listen("127.0.0.1:0", { tls: "self-signed", cluster: { ticketSigningKey, ticketVerifyKeys } });
await using second = await listen("127.0.0.1:0", { tls: "self-signed", cluster: { ticketVerifyKeys } });
const serving = [serveAsFirst(first), serveAsSecond(second)];

const session = await dial(first.url, { trust: { pins: [first.identity] } });
const stream = await session.openStreamSync();
await stream.write(new TextEncoder().encode("the file, please"));
await stream.close();
const hash = createHash("sha256");
let bytes = 0;
for await (const data of stream) {
  hash.update(data);
  bytes += data.length;
}
const isRight = hash.digest("hex") === createHash("sha256").update(file).digest("hex");
console.log(`client: ${bytes} bytes, ${isRight ? "as they should be" : "WRONG"}`);
for (const path of session.stats().paths) console.log(`client: ${path.bytesReceived} bytes came over path ${path.id} from ${path.address}`);
await session.close();
await Promise.all(serving);
if (!isRight) process.exitCode = 1;

async function serveAsFirst(listener: Listener): Promise<void> {
  const client = await listener.accept();
  const request = await client.acceptStream();
  for await (const _ of request); // there is only one file
  const path = await client.addPath(second.address, { identity: second.identity });
  const chunks = Array.from({ length: Math.ceil(file.length / CHUNK_BYTES) }, (_, index) => index);
  const order: Order = { streamId: String(request.id), chunks: chunks.filter((index) => index % 2 === 1) };
  await client.sendRaw(new TextEncoder().encode(JSON.stringify(order)), path.id);
  for (const index of chunks) {
    const chunk = chunkAt(index);
    if (index % 2 === 0) await request.write(chunk);
    else request.skip(chunk.length); // the other server's part
  }
  await request.close();
  await client.closed;
}

async function serveAsSecond(listener: Listener): Promise<void> {
  const client = await listener.accept();
  client.onRaw(({ data }) => {
    const order = JSON.parse(new TextDecoder().decode(data)) as Order;
    void contribute(client, order);
    return new Uint8Array(0); // taken
  });
  await client.closed;
}

async function contribute(client: ServerSession, order: Order): Promise<void> {
  for (const index of order.chunks) {
    const contribution = client.contribute({ streamId: BigInt(order.streamId), offset: BigInt(index * CHUNK_BYTES) });
    await contribution.write(chunkAt(index));
    await contribution.close();
  }
}

function chunkAt(index: number): Uint8Array {
  return file.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
}
