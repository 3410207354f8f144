// A kwik server in a process of its own that sends on each stream as much as it takes, once the first byte has come. Tells its port and identity.
import { listen, parseAddress, type Stream } from "kwik";

const listener = await listen("0.0.0.0:0", { tls: "self-signed" });

async function fill(stream: Stream): Promise<void> {
  await stream.read();
  const block = new Uint8Array(16 * 1024);
  for (;;) await stream.write(block);
}

process.on("disconnect", () => process.exit(0));
process.send?.({ port: parseAddress(listener.address).port, identity: listener.identity });
for await (const session of listener) {
  void (async () => {
    // A stream ends when the client has seen enough.
    for await (const stream of session.incomingStreams()) void fill(stream).catch(() => undefined);
  })();
}
