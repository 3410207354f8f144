import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let directory: string | undefined;

/**
 * Runs `call` with the temporary directory set to one that only this user can enter. The engine passes keys and certificates to its
 * TLS library through files with foreseeable names there, synchronously, while a connection or server is made.
 *
 * Works in the main thread. In a worker thread the environment is a copy that native code does not see.
 */
export function withPrivateTmpdir<T>(call: () => T): T {
  const outer = process.env["TMPDIR"] ?? tmpdir();
  process.env["TMPDIR"] = privateDirectory();
  try {
    return call();
  } finally {
    // Set, never deleted: removing a variable moves the others under the feet of native threads that read them.
    process.env["TMPDIR"] = outer;
  }
}

function privateDirectory(): string {
  if (directory !== undefined && existsSync(directory)) return directory;
  if (directory === undefined) process.once("exit", removeDirectory);
  directory = mkdtempSync(join(tmpdir(), "kwik-"));
  return directory;
}

function removeDirectory(): void {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}
