import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type OutputChunk, rolldown } from "rolldown";
import ts from "typescript";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { isMereName } from "./purity.ts";
import { exists } from "./tree.ts";

const ENTRY = "packages/kwik/src/browser.ts";

/** What a page may have to load at most, in bytes of gzip: what it was when it was last looked at. It may only fall, but for mends and what a page of docs/decisions gives a reason for (0057: reading without memory). */
const MAX_GZIP_BYTES = 79_280;
/** Modules that only who listens needs. */
const OF_SERVERS = /\/packages\/(?:core\/src\/server\/|proto\/src\/(?:session\/server-side|control\/every-message)\.ts)/;
/** What it is to become. */
const AIM_GZIP_BYTES = 40_000;

/** What every page and every worker has; all else would tie the bundle to Node or to a window. */
const GLOBALS = new Set(
  (
    "undefined NaN Infinity globalThis Object Array Boolean Number BigInt String Symbol Math Date RegExp Error RangeError TypeError AggregateError JSON " +
    "Reflect Promise Map Set WeakMap WeakSet WeakRef ArrayBuffer SharedArrayBuffer DataView Uint8Array Int32Array Uint32Array Float64Array " +
    "parseInt isNaN performance crypto setTimeout clearTimeout queueMicrotask atob TextEncoder TextDecoder URL AbortController AbortSignal " +
    "ReadableStream WritableStream WebSocket arguments"
  ).split(" "),
);

/** What `kwik/browser` gives to a page loads without Node, works without a window, and is not larger than agreed. */
export const browser: Gate = {
  name: "browser",
  async run(root) {
    if (!exists(root, ENTRY)) return verdict([`${ENTRY}: missing`]);
    const bundle = await rolldown({
      input: join(root, ENTRY),
      cwd: root,
      platform: "browser",
      resolve: { conditionNames: ["kwik-source", "import", "browser", "default"] },
      // What cannot be resolved is reported below.
      logLevel: "silent",
    });
    const [readable, small] = await Promise.all([bundle.generate({ format: "esm" }), bundle.generate({ format: "esm", minify: true })]);
    await bundle.close();
    const [chunk] = readable.output;
    const findings = [
      ...chunk.imports.map((name) => `${ENTRY}: leads to an import of ${name}`),
      ...chunk.dynamicImports.map((name) => `${ENTRY}: leads to an import of ${name} at run time`),
      ...foreignNames(chunk).map((name) => `${ENTRY}: leads to a use of ${name}, which not every page and worker has`),
    ];
    for (const id of Object.entries(chunk.modules).flatMap(([id, { renderedLength }]) => (renderedLength > 0 ? [id] : [])))
      if (OF_SERVERS.test(id)) findings.push(`${ENTRY}: leads to ${id.slice(root.length + 1)}, which is for servers`);
    const bytes = gzipSync(small.output[0].code, { level: 9 }).length;
    if (bytes > MAX_GZIP_BYTES) findings.push(`${ENTRY}: ${bytes} bytes of gzip, at most ${MAX_GZIP_BYTES}`);
    return verdict(findings, `${bytes} bytes of gzip of at most ${MAX_GZIP_BYTES}, aim ${AIM_GZIP_BYTES}`);
  },
};

/** Names in the bundle that it does not declare and that are not everywhere. */
function foreignNames(chunk: OutputChunk): string[] {
  const file = "bundle.js";
  const source = ts.createSourceFile(file, chunk.code, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  const options: ts.CompilerOptions = { allowJs: true, noLib: true, noResolve: true, types: [], target: ts.ScriptTarget.ESNext };
  const program = ts.createProgram([file], options, {
    ...ts.createCompilerHost(options),
    getSourceFile: (name) => (name === file ? source : undefined),
    fileExists: (name) => name === file,
  });
  const checker = program.getTypeChecker();
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && !GLOBALS.has(node.text) && isReference(node) && !isAskedFor(node) && symbolOf(node, checker) === undefined)
      found.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...found].sort();
}

function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (isMereName(node) || ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent) || ts.isMetaProperty(parent)) return false;
  return !(ts.isBindingElement(parent) && parent.propertyName === node);
}

/** Whether the expression around it looks first whether there is such a name, as libraries for several hosts do. */
function isAskedFor(node: ts.Identifier): boolean {
  let around: ts.Node = node;
  while (ts.isExpression(around.parent)) around = around.parent;
  return around.getText().includes(`typeof ${node.text}`);
}

function symbolOf(node: ts.Identifier, checker: ts.TypeChecker): ts.Symbol | undefined {
  return ts.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node);
}
