// Download throughput of a link between two processes, against the engine's bare binding doing the same.
// Run: node --conditions=kwik-source packages/transport-quic/bench/link-throughput.ts CERT.pem KEY.pem [carriers]
// The reader acknowledges every 256 KiB; the writer keeps 8 MB under way, as the protocol does at most.
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseAddress } from "@kwik/core";
import type { NativeEvent, QuicBinding } from "../src/engine/binding.ts";
import { COMMON_OPTIONS } from "../src/engine/options.ts";
import { quicTransport } from "../src/index.ts";

const BYTES = 1_500_000_000;
const WINDOW_BYTES = 8_000_000;
const ACK_BYTES = 256 * 1024;
const HEADER = new Uint8Array(24);
const BLOCK = new Uint8Array(64 * 1024 - HEADER.length);
const PACKET_BYTES = HEADER.length + BLOCK.length;
const PACKET = [HEADER, BLOCK];

const [, script, certFile = "", keyFile = "", carriers = "1", role] = process.argv;
const tls = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
const require = createRequire(import.meta.url);
const binding = (): QuicBinding => require(join(dirname(require.resolve("@currentspace/http3")), "..", "index.js")) as QuicBinding;

/** Writes packets as long as the window allows; one byte from the reader stands for one acknowledgement. */
function writer(total: number, send: (parts: readonly Uint8Array[]) => void): (acks: number) => void {
  let left = total;
  let underWay = 0;
  return (acks) => {
    underWay -= acks * ACK_BYTES;
    while (left > 0 && underWay < WINDOW_BYTES) {
      send(PACKET);
      left -= PACKET_BYTES;
      underWay += PACKET_BYTES;
    }
  };
}

async function serveAdapter(): Promise<number> {
  const listener = await quicTransport().listen({
    address: { host: "127.0.0.1", port: 0 },
    tls,
    onLink: (link) =>
      link.attach({
        onCarrier: (carrier) => {
          const write = writer(BYTES / Number(carriers), (parts) => carrier.send(parts));
          carrier.receiver = { onData: (data) => write(data[0] === 0 ? data.length - 1 : data.length), onEnd: () => undefined };
        },
        onDatagram: () => undefined,
        onClose: () => undefined,
        onBatchEnd: () => undefined,
      }),
  });
  return parseAddress(listener.address).port;
}

function serveNative(): number {
  const streams = new Map<number, { queue: Uint8Array[]; blocked: boolean; write: (acks: number) => void }>();
  const flush = (handle: number, id: number): void => {
    const stream = streams.get(id);
    while (stream !== undefined && !stream.blocked && stream.queue.length > 0) {
      const data = stream.queue[0] as Uint8Array;
      const outcome = native.streamSend(handle, id, data, false);
      const accepted = outcome.status === 0 ? outcome.written : 0;
      if (accepted < data.length) {
        stream.queue[0] = data.subarray(accepted);
        return;
      }
      stream.queue.shift();
    }
  };
  const native = new (binding().NativeQuicServer)(
    { ...COMMON_OPTIONS, cert: Buffer.from(tls.cert), key: Buffer.from(tls.key), disableRetry: true },
    (_error, events) => {
      for (const event of events) onEvent(event);
      native.ackEventBatch(events.length);
    },
  );
  const onEvent = (event: NativeEvent): void => {
    const { connHandle: handle, streamId: id } = event;
    if (event.eventType === 2) {
      const queue: Uint8Array[] = [];
      const write = writer(BYTES / Number(carriers), (parts) => {
        queue.push(...parts);
        flush(handle, id);
      });
      streams.set(id, { queue, blocked: false, write });
    }
    const stream = streams.get(id);
    if ((event.eventType === 2 || event.eventType === 4) && event.data !== undefined) {
      stream?.write(event.data[0] === 0 ? event.data.length - 1 : event.data.length);
    } else if (event.eventType === 16 && stream !== undefined) stream.blocked = true;
    else if (event.eventType === 8 && stream !== undefined) {
      stream.blocked = false;
      flush(handle, id);
    } else if (event.eventType === 18) for (const each of streams.keys()) flush(handle, each);
  };
  return native.listen(0, "127.0.0.1").port;
}

/** Counts what arrives and acknowledges it. */
function reader(done: () => void): (bytes: number, send: (data: Uint8Array) => void) => void {
  let received = 0;
  const unacknowledged = new Map<unknown, number>();
  return (bytes, send) => {
    received += bytes;
    const pending = (unacknowledged.get(send) ?? 0) + bytes;
    const acks = Math.floor(pending / ACK_BYTES);
    unacknowledged.set(send, pending - acks * ACK_BYTES);
    if (acks > 0) send(new Uint8Array(acks).fill(1));
    if (received >= BYTES) done();
  };
}

async function readAdapter(port: number): Promise<void> {
  const link = await quicTransport().dial({
    address: { host: "127.0.0.1", port },
    trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
    identity: undefined,
    clientCertificate: undefined,
    timeoutMs: 3000,
    signal: undefined,
  });
  link.attach({ onCarrier: () => undefined, onDatagram: () => undefined, onClose: () => undefined, onBatchEnd: () => undefined });
  await new Promise<void>((resolve) => {
    const read = reader(resolve);
    for (let i = 0; i < Number(carriers); i += 1) {
      const carrier = link.openCarrier();
      if (carrier === undefined) throw new Error("no carrier");
      const send = (data: Uint8Array): void => carrier.send([data]);
      carrier.receiver = { onData: (data) => read(data.length, send), onEnd: () => undefined };
      carrier.send([Uint8Array.of(0)]);
    }
  });
}

async function readNative(port: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const read = reader(resolve);
    const sends = new Map<number, (data: Uint8Array) => void>();
    const native = new (binding().NativeQuicClient)({ ...COMMON_OPTIONS, rejectUnauthorized: false }, (_error, events) => {
      for (const event of events) {
        if (event.eventType === 11) {
          for (let i = 0; i < Number(carriers); i += 1) {
            const id = native.openStream();
            sends.set(id, (data) => void native.streamSend(id, data, false));
            native.streamSend(id, Buffer.of(0), false);
          }
        }
        const send = sends.get(event.streamId);
        if (event.data !== undefined && send !== undefined) read(event.data.length, send);
      }
      native.ackEventBatch(events.length);
    });
    native.connect(`127.0.0.1:${port}`, "localhost");
  });
}

if (role !== undefined) {
  const port = role === "adapter" ? await serveAdapter() : serveNative();
  process.send?.(port);
} else {
  for (let round = 0; round < 3; round += 1) {
    for (const kind of ["native", "adapter"]) {
      const child = fork(script as string, [certFile, keyFile, carriers, kind]);
      const port = await new Promise<number>((resolve) => child.once("message", (message) => resolve(message as number)));
      const start = performance.now();
      await (kind === "adapter" ? readAdapter(port) : readNative(port));
      const seconds = (performance.now() - start) / 1000;
      console.log(`${kind.padEnd(8)} ${carriers} carrier(s): ${(BYTES / 1e6 / seconds).toFixed(0)} MB/s`);
      child.kill("SIGKILL");
    }
  }
  process.exit(0);
}
