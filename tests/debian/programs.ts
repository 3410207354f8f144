import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const INSTALL_TIMEOUT_MS = 600_000;
/** Files of tests run side by side, and apt-get gives up if another one is at work. */
const LOCK = join(tmpdir(), "kwik-apt.lock");
let isListFresh = false;

/**
 * Why this machine lacks one of some programs, or undefined once it has them all; installs their Debian packages where it may. `programs` has the package for each
 * path that is wanted.
 */
export function missingPrograms(programs: Readonly<Record<string, string>>, mayInstall = true): string | undefined {
  const missing = Object.entries(programs).filter(([path]) => !existsSync(path));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map(([, name]) => name))];
  if (!mayInstall || process.platform !== "linux" || process.getuid?.() !== 0)
    return `needs ${missing.map(([path]) => path).join(", ")}: install ${packages.join(" ")}`;
  process.stderr.write(`installing ${packages.join(" ")}\n`);
  try {
    // A fresh machine has no list of packages.
    if (!isListFresh) aptGet("update");
    isListFresh = true;
    aptGet("install", "-y", "--no-install-recommends", ...packages);
  } catch {
    // said below
  }
  return missing.every(([path]) => existsSync(path)) ? undefined : `needs ${packages.join(" ")}, which could not be installed`;
}

function aptGet(...args: string[]): void {
  execFileSync("flock", [LOCK, "apt-get", "-q", ...args], {
    stdio: "pipe",
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}
