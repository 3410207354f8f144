// A kwik client in a process of its own: one session, one transfer, as TEST_TRANSFER says ("get" or "put"), of TEST_BYTES. Tells how far a
// download is, the events of its session and, at last, what was received at the other end of the transfer.
import { dial } from "kwik";
import type { Stream } from "kwik";
import { readPattern, writePaced } from "./paced-pattern.ts";

const bytes = Number(process.env["TEST_BYTES"]);
const command = (text: string): Uint8Array => Buffer.from(text.padEnd(16));

async function transfer(stream: Stream): Promise<unknown> {
  if (process.env["TEST_TRANSFER"] === "get") {
    await stream.write(command(`get ${bytes}`));
    await stream.close();
    return readPattern(stream, new Uint8Array(0), (received) => process.send?.({ progress: received }));
  }
  await stream.write(command("put"));
  await writePaced(stream, bytes);
  let answer = "";
  for await (const data of stream) answer += Buffer.from(data).toString();
  return JSON.parse(answer) as unknown;
}

process.on("disconnect", () => process.exit(0));
try {
  const session = await dial(process.env["TEST_URL"] ?? "", { trust: { pins: [process.env["TEST_PIN"] ?? ""] } });
  void (async () => {
    for await (const event of session.events()) process.send?.({ event: event.type, reason: "reason" in event ? event.reason : "" });
  })();
  process.send?.({ outcome: await transfer(session.openStream()) });
  await session.close();
} catch (error) {
  process.send?.({ failure: error instanceof Error ? error.message : String(error) });
}
