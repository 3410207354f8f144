import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian's source package of Node, which has Node's own tests; of Node 18, the newest that there is. Their licence (MIT) lets anybody run them. */
const SUITE = "bookworm";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TIMEOUT_MS = 300_000;

/** What of it is unpacked. */
const MEMBERS = [
  "*/test/common/*",
  "*/test/fixtures/*",
  "*/test/parallel/test-net-*",
  "*/test/parallel/test-http-*",
  "*/test/sequential/*",
];

export type NodeSources = { readonly root: string } | { readonly missing: string };

/** The folder with Node's `test`, downloaded once for each machine; or why there is none. */
export function nodeSources(): NodeSources {
  const root = join(tmpdir(), `kwik-node-tests-${SUITE}`);
  if (existsSync(root)) return { root };
  if (process.platform !== "linux" || process.getuid?.() !== 0 || !existsSync(KEYRING))
    return { missing: "needs Node's tests, which come from Debian's source package of nodejs: root on Debian" };
  const work = join(tmpdir(), `kwik-node-tests-${process.pid}`);
  try {
    download(work);
    renameSync(join(work, "unpacked"), root);
    return { root };
  } catch (error) {
    return { missing: `Debian's source package of nodejs could not be had: ${error instanceof Error ? error.message.slice(0, 300) : ""}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** By lists and a cache of its own: the machine's sources of packages stay as they are. */
function download(work: string): void {
  const lists = join(work, "lists");
  const cache = join(work, "cache");
  const parts = join(work, "parts");
  for (const folder of [join(lists, "partial"), join(cache, "archives", "partial"), parts, join(work, "unpacked")])
    mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(parts, "source.sources"),
    `Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: ${SUITE}\nComponents: main\nSigned-By: ${KEYRING}\n`,
  );
  const options = { "Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": parts, "Dir::State::lists": lists, "Dir::Cache": cache };
  const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { cwd: work, stdio: "pipe", timeout: TIMEOUT_MS });
  };
  run("apt-get", ...flags, "update");
  run("apt-get", ...flags, "source", "--download-only", "nodejs");
  const archive = readdirSync(work).find((name) => /^nodejs_.*\.orig\.tar\.xz$/.test(name));
  if (archive === undefined) throw new Error("the package has no archive of sources");
  run("tar", "-xJf", archive, "-C", "unpacked", "--strip-components=1", "--wildcards", ...MEMBERS);
}
