// Loads a module graph in a context without host objects, clock, randomness and promises. Needs --experimental-vm-modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";

const entry = process.argv[2] ?? "";
const context = vm.createContext(Object.create(null), {
  codeGeneration: { strings: false, wasm: false },
});
vm.runInContext(
  `for (const name of ["Promise", "Date", "console", "WebAssembly", "Intl"]) delete globalThis[name];
   delete Math.random;`,
  context,
);

/** @type {Map<string, vm.SourceTextModule>} */
const modules = new Map();

/** @param {string} path */
function moduleAt(path) {
  let module = modules.get(path);
  if (module === undefined) {
    module = new vm.SourceTextModule(readFileSync(path, "utf8"), { context, identifier: path });
    modules.set(path, module);
  }
  return module;
}

/**
 * @param {string} specifier
 * @param {vm.Module} referrer
 */
function link(specifier, referrer) {
  if (specifier.startsWith(".")) return moduleAt(fileURLToPath(new URL(specifier, pathToFileURL(referrer.identifier))));
  if (specifier.startsWith("node:")) throw new Error(`${referrer.identifier} imports ${specifier}`);
  return moduleAt(importPath(specifier, referrer.identifier));
}

/**
 * The file that an ES module import of a package gives.
 *
 * @param {string} specifier
 * @param {string} from
 */
function importPath(specifier, from) {
  // `require` finds the CommonJS twin, `import.meta.resolve` knows no other starting point.
  return createRequire(from).resolve(specifier).replace("/dist/cjs/", "/dist/esm/");
}

const main = moduleAt(entry);
await main.link(link);
await main.evaluate();
process.stdout.write(`${modules.size} modules\n`);
