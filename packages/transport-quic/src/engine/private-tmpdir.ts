import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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

/**
 * As `withPrivateTmpdir`, for a client that is not to believe the system's authorities: the engine would read the file of them that
 * SSL_CERT_FILE names, 5 ms for each connection. Where the variable is not set they are looked up when they are needed, which costs nothing.
 */
export function withoutAuthoritiesFile<T>(call: () => T): T {
  const outer = process.env["SSL_CERT_FILE"];
  if (outer === undefined) return withPrivateTmpdir(call);
  process.env["SSL_CERT_FILE"] = emptyFile();
  try {
    return withPrivateTmpdir(call);
  } finally {
    process.env["SSL_CERT_FILE"] = outer;
  }
}

function emptyFile(): string {
  const path = join(privateDirectory(), "no-authorities.pem");
  if (!existsSync(path)) writeFileSync(path, "");
  return path;
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
