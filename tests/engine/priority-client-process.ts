// A kwik client in a process of its own: two downloads at once, of low and of high priority, for TEST_MS milliseconds. Tells the bytes of each.
import { dial, Priority, type Stream } from "kwik";

async function count(stream: Stream, until: number): Promise<number> {
  await stream.write(Uint8Array.of(1));
  let bytes = 0;
  while (performance.now() < until) bytes += (await stream.read())?.length ?? 0;
  return bytes;
}

process.on("disconnect", () => process.exit(0));
try {
  const session = await dial(process.env["TEST_URL"] ?? "", { trust: { pins: [process.env["TEST_PIN"] ?? ""] } });
  const streams = [Priority.LOW, Priority.HIGH].map((priority) => session.openStream({ priority }));
  const until = performance.now() + Number(process.env["TEST_MS"]);
  const [low, high] = await Promise.all(streams.map((stream) => count(stream, until)));
  process.send?.({ low, high });
} catch (error) {
  process.send?.({ failure: error instanceof Error ? error.message : String(error) });
}
