// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry in use did not have
// them; `npm ci` refuses a lockfile without them. Such an entry has no integrity until npm writes it with a full registry.
// Run after npm install. Runs on any Node; only knows names that end in platform and architecture.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const path = join(import.meta.dirname, "../package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8"));
const added = [];
for (const [parent, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] !== undefined || lock.packages[`${parent}/${key}`] !== undefined) continue;
    if (!/^\d+\.\d+\.\d+/.test(version)) continue;
    lock.packages[key] = { version, ...(entry.dev ? { dev: true } : {}), optional: true, ...platformOf(name) };
    added.push(`${name}@${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added.length} entries added${added.length > 0 ? `: ${added.join(" ")}` : ""}\n`);

/** @param {string} name */
function platformOf(name) {
  const match = /(android|darwin|freebsd|linux|openharmony|win32)-(arm64|aarch64|armv7|arm|ia32|ppc64|riscv64|s390x|x64)(?:-(\w+))?$/.exec(
    name,
  );
  if (match === null) throw new Error(`${name}: cannot tell its platform`);
  const [, os, architecture, abi = ""] = match;
  const cpu = architecture === "aarch64" ? "arm64" : architecture === "armv7" ? "arm" : architecture;
  const libc = abi.startsWith("musl") ? ["musl"] : abi.startsWith("gnu") && os === "linux" ? ["glibc"] : undefined;
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc }) };
}
