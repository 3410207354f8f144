import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { filesOf } from "./tree.ts";
import { linesOf, runTool } from "./tool.ts";

const HOST_NAMES = new Set([
  "Date",
  "Promise",
  "performance",
  "console",
  "process",
  "Buffer",
  "crypto",
  "fetch",
  "navigator",
  "window",
  "self",
  "document",
  "global",
  "globalThis",
  "require",
  "eval",
  "Function",
  "WebSocket",
  "Worker",
  "Atomics",
  "SharedArrayBuffer",
  "WeakRef",
  "FinalizationRegistry",
  "Intl",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "queueMicrotask",
  "structuredClone",
  "TextEncoder",
  "TextDecoder",
  "AbortController",
  "AbortSignal",
  "URL",
]);

const DIST = "packages/proto/dist";
/** What it may import from elsewhere: protobuf's readers and writers, not the rest of that package, which interprets schemas. */
const PROTOBUF_WIRE = "@bufbuild/protobuf/wire";

const LOADER = join(dirname(fileURLToPath(import.meta.url)), "load-bare.mjs");

/**
 * What is built of the protocol needs no host: its JavaScript names no clock, randomness, promise or timer, and its module graph
 * loads in a context that has none of them.
 */
export const purity: Gate = {
  name: "purity",
  async run(root) {
    if (!existsSync(join(root, DIST, "index.js"))) return verdict([`${DIST}/index.js: not built (npm run build)`]);
    const findings: string[] = [];
    // filesOf skips build folders below its root, not the root itself.
    const files = filesOf(join(root, DIST), (path) => path.endsWith(".js") && !path.endsWith(".test.js"));
    findings.push(...impurities(join(root, DIST), files));
    const load = await runTool(root, "node", ["--experimental-vm-modules", "--no-warnings", LOADER, join(root, DIST, "index.js")]);
    if (load.code !== 0) findings.push(`does not load without a host: ${linesOf(load).slice(0, 3).join(" ")}`);
    return verdict(findings, `${files.length} built files`);
  },
};

/** Where the built files do what needs a host. */
function impurities(folder: string, files: readonly string[]): string[] {
  // Without libraries and without imports, a name that resolves to nothing is a global one.
  const options: ts.CompilerOptions = { allowJs: true, noLib: true, noResolve: true, types: [], target: ts.ScriptTarget.ESNext };
  const paths = files.map((file) => join(folder, file));
  const program = ts.createProgram(paths, options);
  const checker = program.getTypeChecker();
  const found: string[] = [];
  for (const [i, path] of paths.entries()) {
    const source = program.getSourceFile(path);
    if (source === undefined) throw new Error(`${path} was not read`);
    const report = (node: ts.Node, what: string): void => {
      found.push(`${DIST}/${files[i] ?? ""}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1} ${what}`);
    };
    const visit = (node: ts.Node): void => {
      const what = impurityOf(node, source, checker);
      if (what !== undefined) report(node, what);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}

function impurityOf(node: ts.Node, source: ts.SourceFile, checker: ts.TypeChecker): string | undefined {
  if (ts.isIdentifier(node)) return isHostName(node, checker) ? `uses ${node.text}` : undefined;
  if (ts.isPropertyAccessExpression(node)) {
    return node.name.text === "random" && node.expression.getText(source) === "Math" ? "uses Math.random" : undefined;
  }
  if (ts.isElementAccessExpression(node)) return node.expression.getText(source) === "Math" ? "uses Math by computed name" : undefined;
  if (ts.isAwaitExpression(node)) return "uses await";
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return "uses async";
  if (node.kind === ts.SyntaxKind.ImportKeyword && ts.isCallExpression(node.parent)) return "imports at run time";
  if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) return "uses import.meta";
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    const name = (node.moduleSpecifier as ts.StringLiteral).text;
    return name.startsWith(".") || name === PROTOBUF_WIRE ? undefined : `imports ${name}`;
  }
  return undefined;
}

function isHostName(node: ts.Identifier, checker: ts.TypeChecker): boolean {
  if (!HOST_NAMES.has(node.text) || isMereName(node)) return false;
  if (node.text === "globalThis") return true;
  const symbol = ts.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node);
  return symbol === undefined;
}

/** Whether the identifier only names a member (`frame.Date`, `{ Date: 1 }`) and refers to nothing. */
export function isMereName(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent) || ts.isPropertyDeclaration(parent)) return parent.name === node;
  if (ts.isGetAccessorDeclaration(parent) || ts.isSetAccessorDeclaration(parent)) return parent.name === node;
  return false;
}
