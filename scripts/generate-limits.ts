// Writes docs/limits.md from the sources of limits. With --check it only compares.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";

/** A file with one interface of limits and the object of their defaults. */
interface Source {
  readonly path: string;
  readonly interfaceName: string;
  readonly defaultsName: string;
  readonly heading: string;
  readonly intro: string;
}

const SOURCES: readonly Source[] = [
  {
    path: "packages/proto/src/base/limits.ts",
    interfaceName: "Limits",
    defaultsName: "DEFAULT_LIMITS",
    heading: "# Limits",
    intro: "Each is a default that `dial` and `listen` take another value for, in `limits`. Names end in their unit.",
  },
  {
    path: "packages/core/src/api/listener-limits.ts",
    interfaceName: "ListenerLimits",
    defaultsName: "DEFAULT_LISTENER_LIMITS",
    heading: "## Of a listener",
    intro:
      "`listen` takes these too. A *prefix* is the first 24 bits of an IPv4 address, 64 of an IPv6 address; addresses in `proxies` have none. " +
      "`Infinity` turns one off.",
  },
  {
    path: "packages/gateway/src/gateway-limits.ts",
    interfaceName: "GatewayLimits",
    defaultsName: "DEFAULT_GATEWAY_LIMITS",
    heading: "## Of a gateway",
    intro: "`limits` of `Gateway`; `kwik gateway --help` has the flags.",
  },
  {
    path: "packages/gateway/src/origin/origin-limits.ts",
    interfaceName: "OriginLimits",
    defaultsName: "DEFAULT_ORIGIN_LIMITS",
    heading: "## Of a gateway's origins",
    intro: "`originLimits` of `Gateway`: for responses that come from several replicas.",
  },
  {
    path: "packages/gateway/src/relay/relay-limits.ts",
    interfaceName: "RelayLimits",
    defaultsName: "DEFAULT_RELAY_LIMITS",
    heading: "## Of a relay",
    intro: "`limits` of `Relay`; `kwik relay --help` has the flags.",
  },
  {
    path: "packages/proxy/src/proxy-limits.ts",
    interfaceName: "ProxyLimits",
    defaultsName: "DEFAULT_PROXY_LIMITS",
    heading: "## Of a proxy",
    intro: "`limits` of `LocalProxy`; `kwik proxy --help` has the flags.",
  },
];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const pagePath = join(root, "docs/limits.md");

const present = SOURCES.filter((source) => existsSync(join(root, source.path)));
const page = `<!-- generated from ${present.map(({ path }) => path).join(" and ")}; change it there and run npm run generate -->

${(await Promise.all(present.map(render))).join("\n")}`;

if (!process.argv.includes("--check")) writeFileSync(pagePath, page);
else if (!existsSync(pagePath) || readFileSync(pagePath, "utf8") !== page) {
  process.stderr.write(`docs/limits.md differs from ${present.map(({ path }) => path).join(" or ")}\n`);
  process.exitCode = 1;
}

async function render({ path, interfaceName, defaultsName, heading, intro }: Source): Promise<string> {
  const file = join(root, path);
  const code = readFileSync(file, "utf8");
  const defaults = ((await import(pathToFileURL(file).href)) as Record<string, Record<string, unknown>>)[defaultsName] ?? {};
  const source = ts.createSourceFile(path, code, ts.ScriptTarget.ESNext, true);
  const meanings = new Map<string, string>();
  const reasons = new Map<string, string>();
  const visit = (node: ts.Node): void => {
    if (ts.isInterfaceDeclaration(node) && node.name.text === interfaceName) {
      for (const member of node.members) meanings.set(member.name?.getText(source) ?? "", docOf(member));
    }
    if (ts.isVariableDeclaration(node) && node.name.getText(source) === defaultsName && node.initializer !== undefined) {
      const table = node.initializer;
      if (ts.isObjectLiteralExpression(table)) {
        for (const entry of table.properties) reasons.set(entry.name?.getText(source) ?? "", reasonBefore(code, entry));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  if (meanings.size === 0) throw new Error(`${path} has no interface ${interfaceName}`);
  const rows = [...meanings].map(([name, meaning]) => {
    if (meaning === "") throw new Error(`${name} has no comment`);
    if (!(name in defaults)) throw new Error(`${name} has no default`);
    const reason = reasons.get(name) ?? "";
    return `| \`${name}\` | ${shown(name, defaults[name])} | ${meaning}${reason === "" ? "" : ` *${reason}*`} |`;
  });
  return `${heading}

${intro}

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
