// An echo over one stream, server and client in one program.
// Run it: npx node --conditions=kwik-source examples/echo.ts
import { dial, type Listener, listen } from "kwik";

const message = new TextEncoder().encode("hello over kwik");

await using listener = await listen("127.0.0.1:0", { tls: "self-signed" });
const serving = serveOne(listener);

// The client believes the server that has this very key.
const session = await dial(listener.url, { trust: { pins: [listener.identity] } });
const stream = await session.openStreamSync();
await stream.write(message);
await stream.close();
let answer = "";
const decoder = new TextDecoder();
for await (const data of stream) answer += decoder.decode(data, { stream: true });
console.log(`client: got "${answer}"`);
await session.close();
await serving;
if (answer !== new TextDecoder().decode(message)) process.exitCode = 1;

/** Sends back what arrives on the first stream of the first session. */
async function serveOne(server: Listener): Promise<void> {
  const client = await server.accept();
  const incoming = await client.acceptStream();
  for await (const data of incoming) {
    console.log(`server: got "${new TextDecoder().decode(data)}"`);
    await incoming.write(data);
  }
  await incoming.close();
  await client.closed;
}
