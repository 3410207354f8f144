import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { processState } from "./process-state.ts";

// Holds some of everything, lets go of it, and says what it has before, meanwhile and afterwards: `node --expose-gc holding-process.ts`.

const HELD_BYTES = 24 * 1024 * 1024;

async function hold(): Promise<() => Promise<void>> {
  const files = [openSync("/dev/null", "r"), openSync("/dev/null", "r"), openSync("/dev/null", "r")];
  const timers = [setTimeout(() => undefined, 600_000), setInterval(() => undefined, 600_000)];
  // Nothing that a process waits for.
  const idle = setTimeout(() => undefined, 600_000).unref();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const worker = new Worker("setInterval(() => undefined, 1000); require('node:worker_threads').parentPort.postMessage(0)", { eval: true });
  await new Promise((resolve) => worker.once("message", resolve));
  const memory: { buffer: ArrayBuffer | undefined } = { buffer: new ArrayBuffer(HELD_BYTES) };
  new Uint8Array(memory.buffer as ArrayBuffer).fill(1);
  return async () => {
    for (const file of files) closeSync(file);
    for (const timer of [...timers, idle]) clearTimeout(timer);
    await new Promise((resolve) => server.close(resolve));
    await worker.terminate();
    memory.buffer = undefined;
  };
}

// What is made once stays: the first worker brings it.
await (await hold())();
const before = await processState();
const release = await hold();
const during = await processState();
await release();
const after = await processState();
process.stdout.write(JSON.stringify({ before, during, after }));
