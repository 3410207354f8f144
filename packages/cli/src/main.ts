import { runProgram } from "./program.ts";

const status = await runProgram(process.argv.slice(2));
// What was written to a pipe may still be on its way.
for (const stream of [process.stdout, process.stderr]) {
  if (stream.writableLength > 0 && !stream.destroyed) await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
process.exit(status);
