// Writes docs/limits.md from packages/proto/src/base/limits.ts. With --check it only compares.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const sourcePath = join(root, "packages/proto/src/base/limits.ts");
const pagePath = join(root, "docs/limits.md");

const { DEFAULT_LIMITS } = (await import(pathToFileURL(sourcePath).href)) as { DEFAULT_LIMITS: Record<string, unknown> };
const page = render(readFileSync(sourcePath, "utf8"), DEFAULT_LIMITS);

if (!process.argv.includes("--check")) writeFileSync(pagePath, page);
else if (!existsSync(pagePath) || readFileSync(pagePath, "utf8") !== page) {
  process.stderr.write("docs/limits.md differs from packages/proto/src/base/limits.ts\n");
  process.exitCode = 1;
}

function render(code: string, defaults: Record<string, unknown>): string {
  const source = ts.createSourceFile("limits.ts", code, ts.ScriptTarget.ESNext, true);
  const meanings = new Map<string, string>();
  const reasons = new Map<string, string>();
  const visit = (node: ts.Node): void => {
    if (ts.isInterfaceDeclaration(node) && node.name.text === "Limits") {
      for (const member of node.members) meanings.set(member.name?.getText(source) ?? "", docOf(member));
    }
    if (ts.isVariableDeclaration(node) && node.name.getText(source) === "DEFAULT_LIMITS" && node.initializer !== undefined) {
      const table = node.initializer;
      if (ts.isObjectLiteralExpression(table)) {
        for (const entry of table.properties) reasons.set(entry.name?.getText(source) ?? "", reasonBefore(code, entry));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  if (meanings.size === 0) throw new Error("limits.ts has no interface Limits");
  const rows = [...meanings].map(([name, meaning]) => {
    if (meaning === "") throw new Error(`${name} has no comment`);
    if (!(name in defaults)) throw new Error(`${name} has no default`);
    const reason = reasons.get(name) ?? "";
    return `| \`${name}\` | ${shown(name, defaults[name])} | ${meaning}${reason === "" ? "" : ` *${reason}*`} |`;
  });
  return `<!-- generated from packages/proto/src/base/limits.ts; change it there and run npm run generate -->

# Limits

Each is a default that \`dial\` and \`listen\` take another value for, in \`limits\`. Names end in their unit.

| limit | default | meaning |
| --- | --- | --- |
${rows.join("\n")}
`;
}

function docOf(node: ts.Node): string {
  return ts
    .getJSDocCommentsAndTags(node)
    .map((doc) => (typeof doc.comment === "string" ? doc.comment : ""))
    .join(" ")
    .replace(/\s+/g, " ")
    .trim();
}

/** The line comments directly above an entry say why it has its value. */
function reasonBefore(code: string, node: ts.Node): string {
  const comments = ts.getLeadingCommentRanges(code, node.getFullStart()) ?? [];
  return comments
    .map((range) => code.slice(range.pos, range.end).replace(/^\/\/\s*|^\/\*+\s*|\s*\*+\/$/g, ""))
    .join(" ")
    .trim();
}

function shown(name: string, value: unknown): string {
  if (typeof value !== "number") return `\`${String(value)}\``;
  if (name.includes("Bytes")) {
    if (value % (1024 * 1024) === 0) return `${value / (1024 * 1024)} MiB`;
    if (value % 1024 === 0) return `${value / 1024} KiB`;
    return value % 1_000_000 === 0 ? `${value / 1_000_000} MB` : `${value} bytes`;
  }
  return name.endsWith("Ms") ? `${value} ms` : String(value);
}
