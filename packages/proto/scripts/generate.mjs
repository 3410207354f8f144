// Generates src/control/gen from proto/. With --check it writes nothing and exits 1 if the result would differ.
// Works offline: buf and the plugin come from node_modules.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, cpSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
const binFolders = [join(packageFolder, "node_modules", ".bin"), join(packageFolder, "..", "..", "node_modules", ".bin")];
const target = join(packageFolder, "src", "control", "gen");

const path = [...binFolders, dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
const work = mkdtempSync(join(tmpdir(), "kwik-generate-"));

try {
  run("buf", ["lint"]);
  run("buf", ["generate", "--output", work]);
  const fresh = contents(join(work, "gen"));
  if (process.argv.includes("--check")) {
    if (!isDeepStrictEqual(fresh, contents(target))) {
      console.error("packages/proto/src/control/gen is not what packages/proto/proto generates; run npm run generate");
      process.exitCode = 1;
    }
  } else {
    rmSync(target, { recursive: true, force: true });
    cpSync(join(work, "gen"), target, { recursive: true });
    console.log(`generated ${Object.keys(fresh).join(", ")}`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: packageFolder, stdio: "inherit", env: { ...process.env, PATH: path } });
  if (result.status === 0) return;
  rmSync(work, { recursive: true, force: true });
  console.error(`${command} ${args[0]} failed${result.error ? `: ${result.error.message}` : ""}`);
  process.exit(1);
}

/** Every file of a folder by its path, sorted. */
function contents(folder) {
  const files = {};
  let entries;
  try {
    entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  } catch {
    return files;
  }
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of paths.sort())
    files[
      file
        .slice(folder.length + 1)
        .split(sep)
        .join("/")
    ] = readFileSync(file, "utf8");
  return files;
}
