// A kwik server in a process of its own. A stream that begins with "get" and a number is answered with that many bytes of the pattern;
// one that begins with "put" brings the pattern. Tells its address, how far an upload is, and what came.
import { listen, parseAddress } from "kwik";
import type { Stream } from "kwik";
import { readPattern, writePaced } from "./paced-pattern.ts";

const COMMAND_BYTES = 16;

const listener = await listen("0.0.0.0:0", { tls: "self-signed", onNotice: (notice) => process.send?.({ notice }) });

async function serve(stream: Stream): Promise<void> {
  let start = Buffer.alloc(0);
  while (start.length < COMMAND_BYTES) {
    const part = await stream.read();
    if (part === null) return;
    start = Buffer.concat([start, part]);
  }
  const [verb, count] = start.subarray(0, COMMAND_BYTES).toString().trim().split(" ");
  if (verb === "get") {
    await writePaced(stream, Number(count));
    return;
  }
  const outcome = await readPattern(stream, start.subarray(COMMAND_BYTES), (received) => process.send?.({ progress: received }));
  await stream.write(Buffer.from(JSON.stringify(outcome)));
  await stream.close();
}

async function accept(): Promise<void> {
  for await (const session of listener) {
    void (async () => {
      for await (const event of session.events()) process.send?.({ event: event.type, reason: "reason" in event ? event.reason : "" });
    })();
    void (async () => {
      for await (const stream of session.incomingStreams())
        void serve(stream).catch((error: unknown) => process.send?.({ failure: String(error) }));
    })();
  }
}

process.on("disconnect", () => process.exit(0));
process.send?.({ port: parseAddress(listener.address).port, identity: listener.identity });
await accept();
