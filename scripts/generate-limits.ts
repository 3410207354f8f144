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

/** Constants that bound what somebody else can have, and are no options: by file. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  "packages/proto/src/session/link-input.ts": ["MAX_CARRIERS"],
  "packages/core/src/pipe/pipe-link.ts": ["MAX_OPEN_CARRIERS", "MAX_EARLY_BYTES"],
  "packages/proto/src/control/control-channel.ts": ["MAX_SENT_CONTROL_BYTES"],
  "packages/proto/src/path/ack-tracker.ts": ["MAX_RANGES"],
  "packages/proto/src/data/assembler.ts": ["MAX_LOOSE_PIECES"],
  "packages/proto/src/data/contribution-ledger.ts": ["MAX_RANGES"],
  "packages/proto/src/session/contribution-grants.ts": ["MAX_EARLY_REQUESTS", "MAX_STOPS"],
  "packages/proto/src/content/content-offer.ts": ["MAX_FURTHER_CONTENTS", "MAX_BLOCKS"],
  "packages/proto/src/session/content-client.ts": ["MAX_BLOCKS_AT_ONCE"],
  "packages/proto/src/data/receive-stream.ts": ["MAX_CONTENT_REGIONS"],
  "packages/proto/src/content/fetch-source.ts": ["MAX_OPEN_REQUESTS"],
  "packages/proto/src/session/content-server.ts": ["MAX_RANGE_REQUESTS"],
  "packages/core/src/session/content-reads.ts": ["MAX_OPEN_SOURCES", "MAX_OPENINGS"],
  "packages/core/src/session/send-budget.ts": ["FLOOR_BYTES"],
  "packages/core/src/session/event-readers.ts": ["MAX_WAITING_EVENTS"],
  "packages/core/src/server/ticket-minting.ts": ["MAX_UNDER_WAY"],
  "packages/proto/src/session/server-paths.ts": ["MAX_REMOTE_PATHS"],
  "packages/proto/src/session/path-lifecycle.ts": ["MAX_ENDED_PATHS"],
  "packages/proto/src/session/client-paths.ts": ["MAX_REMOVALS"],
  "packages/proto/src/session/departures.ts": ["MAX_REPLACEMENTS"],
  "packages/proto/src/session/raw-forwarding.ts": ["MAX_REPLY_BACKLOG_BYTES"],
  "packages/resolve/src/resolve-server.ts": ["MAX_CHECKED_ADDRESSES"],
  "packages/tls/src/listen-limits.ts": ["MAX_UNDECIDED_CONNECTIONS"],
  "packages/transport-websocket/src/limits.ts": ["MAX_MESSAGE_BYTES"],
  "packages/transport-websocket/src/http-limits.ts": ["MAX_HEADER_BYTES"],
  "packages/transport-websocket/src/forwarded-address.ts": ["MAX_HOPS"],
  "packages/transport-webtransport/src/http3-connection.ts": ["MAX_REQUESTS"],
  "packages/transport-webtransport/src/settings.ts": ["MAX_FIELD_SECTION_BYTES"],
  "packages/transport-webtransport/src/control-stream.ts": ["MAX_SETTINGS_BYTES"],
  "packages/transport-webtransport/src/request-stream.ts": ["MAX_EARLY_BYTES"],
  "packages/tunnel/src/tunnel-stream.ts": ["MAX_TUNNEL_BODY_BYTES"],
  "packages/gateway/src/connect-target.ts": ["MAX_ADDRESSES"],
  "packages/gateway/src/udp-association.ts": ["MAX_REMEMBERED"],
  "packages/proxy/src/http-listener.ts": ["MAX_PIPELINED"],
  "packages/proxy/src/http-head-limit.ts": ["MAX_HTTP_HEAD_BYTES"],
};

const FIXED_INTRO =
  "What nobody has had a reason to change yet, or the protocol says. Whoever goes beyond is refused with the code that the rule names, or waits.";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const pagePath = join(root, "docs/limits.md");

const present = SOURCES.filter((source) => existsSync(join(root, source.path)));
const page = `<!-- generated from ${present.map(({ path }) => path).join(" and ")}; change it there and run npm run generate -->

${[...(await Promise.all(present.map(render))), ...fixedLimits()].join("\n")}`;

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

/** The section, if there is anything in it. */
function fixedLimits(): string[] {
  const values = new Map<string, number>();
  const files = Object.entries(FIXED).filter(([path]) => existsSync(join(root, path)));
  const rows = files.flatMap(([path, names]) => {
    const source = ts.createSourceFile(path, readFileSync(join(root, path), "utf8"), ts.ScriptTarget.ESNext, true);
    return names.map((name) => {
      const statement = source.statements
        .filter(ts.isVariableStatement)
        .find(({ declarationList }) => declarationList.declarations[0]?.name.getText(source) === name);
      const initializer = statement?.declarationList.declarations[0]?.initializer;
      if (statement === undefined || initializer === undefined) throw new Error(`${path} has no constant ${name}`);
      const meaning = docOf(statement);
      if (meaning === "") throw new Error(`${name} of ${path} has no comment`);
      const value = numberOf(initializer, values);
      values.set(name, value);
      return `| [\`${name}\`](../${path}) | ${shown(name.includes("BYTES") ? "Bytes" : "", value)} | ${meaning} |`;
    });
  });
  if (rows.length === 0) return [];
  const section = `## Fixed

${FIXED_INTRO}

| constant | value | meaning |
| --- | --- | --- |
${rows.join("\n")}
`;
  return [section];
}

/** Of arithmetic with numbers, and constants that came before. */
function numberOf(node: ts.Expression, known: ReadonlyMap<string, number>): number {
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (ts.isIdentifier(node) && known.has(node.text)) return known.get(node.text) ?? 0;
  if (ts.isBinaryExpression(node)) {
    const [left, right] = [numberOf(node.left, known), numberOf(node.right, known)];
    if (node.operatorToken.kind === ts.SyntaxKind.AsteriskToken) return left * right;
    if (node.operatorToken.kind === ts.SyntaxKind.MinusToken) return left - right;
    if (node.operatorToken.kind === ts.SyntaxKind.LessThanLessThanToken) return left << right;
  }
  throw new Error(`${node.getText()} is no number that can be shown`);
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
