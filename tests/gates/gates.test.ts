import { afterAll, afterEach, expect, test } from "vitest";
import { auditOutcome } from "../../scripts/gates/audit.ts";
import { browser } from "../../scripts/gates/browser.ts";
import { format } from "../../scripts/gates/format.ts";
import type { Gate } from "../../scripts/gates/gate.ts";
import { generated } from "../../scripts/gates/generated.ts";
import { hazards } from "../../scripts/gates/hazards.ts";
import { imports } from "../../scripts/gates/imports.ts";
import { links } from "../../scripts/gates/links.ts";
import { lint } from "../../scripts/gates/lint.ts";
import { manifests } from "../../scripts/gates/manifests.ts";
import { names } from "../../scripts/gates/names.ts";
import { purity } from "../../scripts/gates/purity.ts";
import { rules } from "../../scripts/gates/rules.ts";
import { sizes } from "../../scripts/gates/sizes.ts";
import { snippets } from "../../scripts/gates/snippets.ts";
import { typecheck } from "../../scripts/gates/typecheck.ts";
import { unused } from "../../scripts/gates/unused.ts";
import { words } from "../../scripts/gates/words.ts";
import { Fixture } from "./fixture.ts";

const fixture = new Fixture();
afterEach(() => fixture.restore());
afterAll(() => fixture.dispose());

/** Plants the files and gives what the gate finds, one string. */
async function findingsOf(gate: Gate, files: Record<string, string>): Promise<string> {
  fixture.plant(files);
  const result = await gate.run(fixture.root);
  expect(result.ok, `${gate.name} stayed green`).toBe(false);
  return result.findings.join("\n");
}

// First, because it builds what the purity gate reads.
test("a good tree passes every gate", { timeout: 120_000 }, async () => {
  for (const gate of [
    typecheck,
    format,
    lint,
    imports,
    purity,
    browser,
    unused,
    generated,
    snippets,
    rules,
    links,
    manifests,
    hazards,
    names,
    sizes,
    words,
  ]) {
    const result = await gate.run(fixture.root);
    expect(result.findings, gate.name).toEqual([]);
    expect(result.ok).toBe(true);
  }
});

test("format names a file that is not formatted", async () => {
  expect(await findingsOf(format, { "packages/core/src/api/errors.ts": "export class KwikError extends Error {  }\n" })).toContain(
    "packages/core/src/api/errors.ts: not formatted",
  );
});

test("lint finds what the compiler lets through", { timeout: 60_000 }, async () => {
  const found = await findingsOf(lint, {
    "packages/kwik/src/floating.ts": "export function start(): void {\n  Promise.resolve(1);\n}\n",
    "packages/kwik/src/any.ts": "export function any(value: any): void {\n  String(value);\n}\n",
    "packages/kwik/src/non-null.ts": "export function first(list: number[]): number {\n  return list[0]!;\n}\n",
    "packages/kwik/src/switch.ts":
      'export function number(word: "one" | "two"): number {\n  switch (word) {\n    case "one":\n      return 1;\n  }\n  return 0;\n}\n',
    "packages/kwik/src/value-import.ts": 'import { link } from "@kwik/transport-quic";\n\nexport type Make = typeof link;\n',
    "packages/kwik/src/ignore.ts": "// @ts-ignore\nexport const x: number = 1;\n",
    "packages/kwik/src/later.ts": "// TODO: more\nexport const y = 1;\n",
    "packages/core/src/driver/buffer.ts": "export const size: number = Buffer.byteLength(String(1));\n",
    "tests/only.test.ts": 'import { test } from "vitest";\n\ntest.only("a", () => {});\n',
    "tests/skip.test.ts": 'import { test } from "vitest";\n\ntest.skip("a", () => {});\n',
  });
  for (const [file, rule] of [
    ["kwik/src/floating.ts:2", "no-floating-promises"],
    ["kwik/src/any.ts:1", "no-explicit-any"],
    ["kwik/src/non-null.ts:2", "no-non-null-assertion"],
    ["kwik/src/switch.ts:2", "switch-exhaustiveness-check"],
    ["kwik/src/value-import.ts:1", "consistent-type-imports"],
    ["kwik/src/ignore.ts:1", "ban-ts-comment"],
    ["kwik/src/later.ts:1", "no-warning-comments"],
    ["core/src/driver/buffer.ts:1", "no-restricted-globals"],
    ["tests/only.test.ts:3", "noFocusedTests"],
    ["tests/skip.test.ts:3", "noSkippedTests"],
  ]) {
    expect(found).toMatch(new RegExp(`${file ?? ""}\\b.*${rule ?? ""}`));
  }
});

test("lint keeps clocks, randomness, promises and timers out of the protocol's sources", { timeout: 60_000 }, async () => {
  const impure = {
    date: "export const x = (): number => Date.now();\n",
    random: "export const x = (): number => Math.random();\n",
    computed: 'export const x = (): number => Math["random"]();\n',
    promise: "export type X = Promise<number>;\n",
    resolve: "export const x = (): unknown => Promise.resolve(1);\n",
    async: "export const x = async (): Promise<number> => 1;\n",
    timer: "export const x = (): unknown => setTimeout(() => 1, 1);\n",
    global: "export const x = (): unknown => globalThis;\n",
    text: "export const x = (): unknown => new TextEncoder();\n",
    load: 'export const x = (): unknown => import("../base/ids.ts");\n',
    slice: "export const x = (data: Uint8Array): Uint8Array => data.slice();\n",
  };
  const files = Object.fromEntries(Object.entries(impure).map(([name, code]) => [`packages/proto/src/data/${name}.ts`, code]));
  const found = await findingsOf(lint, files);
  for (const file of Object.keys(files)) expect(found).toMatch(new RegExp(`${file}:1 no-restricted-`));
});

test("types refuses a host in the protocol and in the core", { timeout: 60_000 }, async () => {
  const found = await findingsOf(typecheck, {
    "packages/proto/src/path/rtt.ts":
      'import { hrtime } from "node:process";\n\nexport function rtt(): number {\n  return Number(hrtime.bigint());\n}\n',
    "packages/core/src/driver/pump.ts": "export function pump(): number {\n  return Buffer.from([]).length;\n}\n",
  });
  expect(found).toMatch(/packages\/proto\/src\/path\/rtt\.ts.*node:process/);
  expect(found).toMatch(/packages\/core\/src\/driver\/pump\.ts.*Buffer/);
});

test("imports refuses every arrow that does not go down", { timeout: 60_000 }, async () => {
  const planted: [rule: string, file: string, code: string][] = [
    ["package-proto", "packages/proto/src/session/upwards.ts", 'export { pump } from "@kwik/core";\n'],
    ["package-core", "packages/core/src/driver/upwards.ts", 'export { dial } from "kwik";\n'],
    ["package-transport-quic", "packages/transport-quic/src/skips.ts", 'export { session } from "@kwik/proto";\n'],
    ["package-cli", "packages/cli/src/skips.ts", 'export type { Link } from "@kwik/core";\n'],
    ["proto-base", "packages/proto/src/base/upwards.ts", 'export { frame } from "../wire/frame.ts";\n'],
    ["proto-wire", "packages/proto/src/wire/upwards.ts", 'export { stream } from "../data/stream.ts";\n'],
    ["proto-data", "packages/proto/src/data/sibling.ts", 'export { rtt } from "../path/rtt.ts";\n'],
    ["proto-path", "packages/proto/src/path/sibling.ts", 'export { pick } from "../schedule/pick.ts";\n'],
    ["proto-schedule", "packages/proto/src/schedule/upwards.ts", 'export { session } from "../session/session.ts";\n'],
    ["proto-content", "packages/proto/src/content/sibling.ts", 'export { kind } from "../control/codec.ts";\n'],
    ["proto-control", "packages/proto/src/control/sibling.ts", 'export { stream } from "../data/stream.ts";\n'],
    ["core-layers", "packages/core/src/transport/upwards.ts", 'export { pump } from "../driver/pump.ts";\n'],
    ["no-index-from-inside", "packages/core/src/driver/barrel.ts", 'export type { Link } from "../index.ts";\n'],
    ["no-deep-import", "packages/kwik/src/deep.ts", 'export { KwikError } from "../../core/src/api/errors.ts";\n'],
    ["protobuf-in-control", "packages/proto/src/wire/protobuf.ts", 'export { ScalarType } from "@bufbuild/protobuf";\n'],
    ["engine-in-transport-quic", "packages/kwik/src/engine.ts", 'export * from "@currentspace/http3";\n'],
    ["testkit-in-tests", "packages/kwik/src/testkit.ts", 'export { pumpUnderTest } from "@kwik/testkit";\n'],
    ["no-undeclared-dependency", "packages/kwik/src/undeclared.ts", 'export { ScalarType } from "@bufbuild/protobuf";\n'],
    ["no-unresolved", "packages/kwik/src/nowhere.ts", 'export { x } from "./gone.ts";\n'],
    ["no-test-imported", "tests/imports-test.ts", 'import "./sum.test.ts";\n'],
    ["no-cycle", "packages/core/src/driver/egg.ts", 'export { hen } from "./hen.ts";\nexport const egg = 1;\n'],
  ];
  const files = Object.fromEntries(planted.map(([, file, code]) => [file, code]));
  files["packages/core/src/driver/hen.ts"] = 'export { egg } from "./egg.ts";\nexport const hen = 1;\n';
  const found = await findingsOf(imports, files);
  for (const [rule, file] of planted) expect(found).toContain(`${rule}: ${file} → `);
});

test("imports does not trust a cruiser that sees too little", { timeout: 60_000 }, async () => {
  const found = await findingsOf(imports, {
    ".dependency-cruiser.cjs": 'module.exports = { forbidden: [], options: { exclude: { path: "packages/(proto|core)" } } };\n',
  });
  expect(found).toContain("too-few-modules");
  expect(found).toContain("no-crossing-seen");
});

test("purity reads the built protocol, whatever the sources looked like", async () => {
  const dist = "packages/proto/dist/path/rtt.js";
  for (const [code, what] of [
    ["export function rtt() { return Date.now(); }", "uses Date"],
    ["export function rtt() { return Math.random(); }", "uses Math.random"],
    ["export async function rtt() { return 1; }", "uses async"],
    ["export function rtt() { return globalThis.performance; }", "uses globalThis"],
    ['import "node:fs"; export function rtt() { return 1; }', "imports node:fs"],
    ['import "@bufbuild/protobuf"; export function rtt() { return 1; }', "imports @bufbuild/protobuf"],
  ]) {
    expect(await findingsOf(purity, { [dist]: `${code ?? ""}\n` })).toContain(`${dist}:1 ${what ?? ""}`);
  }
  fixture.plant({ [dist]: "export function rtt(fetch, self) { return { fetch, Date: self.Promise }; }\n" });
  expect((await purity.run(fixture.root)).findings, "names of its own are no host's").toEqual([]);
  expect(await findingsOf(purity, { [dist]: 'export const rtt = (0, eval)("setTimeout");\n' })).toContain("does not load without a host");
});

test("browser finds what a page does not have, wherever it is imported from, and a bundle that has grown", {
  timeout: 60_000,
}, async () => {
  const core = (code: string): Record<string, string> => ({
    "packages/core/src/driver/pump.ts": `${code}\nexport function pump(): unknown {\n  return planted;\n}\n`,
  });
  for (const [code, what] of [
    ['import { hostname as planted } from "node:os";', "leads to an import of node:os"],
    ['import { hostname as planted } from "os";', "leads to an import of os"],
    ['const planted = () => import("node:fs");', "leads to an import of node:fs at run time"],
    ["const planted = () => Buffer.alloc(1);", "leads to a use of Buffer"],
    ["const planted = () => window.name;", "leads to a use of window"],
    ["const planted = () => process.env.HOME;", "leads to a use of process"],
  ]) {
    expect(await findingsOf(browser, core(code ?? ""))).toContain(what);
  }
  const large = Array.from({ length: 40_000 }, (_, i) => Math.imul(i, 0x9e3779b1).toString(36)).join(" ");
  expect(await findingsOf(browser, core(`const planted = "${large}";`))).toMatch(/\d+ bytes of gzip, at most \d+/);
  const listener = { "packages/core/src/server/listener.ts": "export function planted(): void {}\n" };
  expect(await findingsOf(browser, { ...listener, ...core('import { planted } from "../server/listener.ts";') })).toContain(
    "which is for servers",
  );
  fixture.plant(core("const planted = () => typeof process === 'object' && process.env;"));
  expect((await browser.run(fixture.root)).findings).toEqual([]);
});

test("unused names files, exports and dependencies that nobody needs", { timeout: 60_000 }, async () => {
  const manifest = {
    name: "@kwik/cli",
    version: "0.1.0",
    type: "module",
    exports: "./src/index.ts",
    dependencies: { kwik: "0.1.0", commander: "15.1.0" },
  };
  const found = await findingsOf(unused, {
    "packages/core/src/driver/orphan.ts": "export const orphan = 1;\n",
    "packages/core/src/api/errors.ts": "export class KwikError extends Error {}\nexport const nobody = 1;\n",
    "packages/cli/package.json": JSON.stringify(manifest),
  });
  expect(found).toContain("packages/core/src/driver/orphan.ts: unused file");
  expect(found).toMatch(/packages\/core\/src\/api\/errors\.ts:2: exports: nobody/);
  expect(found).toMatch(/packages\/cli\/package\.json.*dependencies: commander/);
});

test("generated finds a page that its source has left behind", async () => {
  const found = await findingsOf(generated, {
    "packages/proto/src/base/limits.ts":
      "export interface Limits {\n  /** Paths at once. */\n  maxPaths: number;\n}\nexport const DEFAULT_LIMITS: Limits = { maxPaths: 17 };\n",
  });
  expect(found).toContain("docs/limits.md differs");
});

test("snippets compiles the guide and names page and line", { timeout: 60_000 }, async () => {
  const found = await findingsOf(snippets, {
    "docs/guide.md":
      '# Guide\n\n```ts\nimport { dial } from "kwik";\nconst answer: string = await dial();\n```\n\n```js\nthis is not compiled\n```\n',
  });
  expect(found).toContain("docs/guide.md:5: error TS2322");
  expect(found.split("\n")).toHaveLength(1);
});

test("rules knows the specification's rules and their citations", async () => {
  const found = await findingsOf(rules, {
    "packages/proto/src/base/ids.ts": "/** spec: PATH-1, PATH-99 */\nexport type PathId = number;\n",
    "docs/protocol/more.md": "# More\n\n- **PATH-1** Twice.\n- **WIRE-1** See PATH-7.\n",
  });
  expect(found).toContain("packages/proto/src/base/ids.ts:1 cites PATH-99");
  expect(found).toContain("docs/protocol/more.md: PATH-1 is already a rule of docs/protocol/README.md");
  expect(found).toContain("docs/protocol/more.md: PATH-7 is no rule");
});

test("links finds files and headings that are not there", async () => {
  const found = await findingsOf(links, {
    "docs/guide.md":
      "[a](gone.md) [b](protocol/README.md#nothing) [c](protocol/README.md#rules) [d](https://example.com/x) `[e](code.md)`\n",
  });
  expect(found.split("\n")).toEqual([
    "docs/guide.md: gone.md leads nowhere",
    "docs/guide.md: protocol/README.md#nothing names no heading of docs/protocol/README.md",
  ]);
});

test("manifests wants exact versions, an agreeing lockfile without hosts, and known install scripts", async () => {
  const host = ["https://registry", "npmjs", "org/x.tgz"].join(".");
  const found = await findingsOf(manifests, {
    "packages/cli/package.json": JSON.stringify({ name: "@kwik/cli", license: "MIT", dependencies: { kwik: "^0.1.0" } }),
    "package-lock.json": JSON.stringify({
      packages: {
        "packages/cli": { dependencies: { kwik: "0.1.0" } },
        "node_modules/x": { resolved: host, hasInstallScript: true, optionalDependencies: { "x-darwin-x64": "1.0.0" } },
      },
    }),
  });
  expect(found).toContain("packages/cli/package.json: kwik ^0.1.0 is not an exact version");
  expect(found).toContain("packages/cli/package.json: kwik ^0.1.0 differs from package-lock.json");
  expect(found).toContain("packages/cli/package.json: license MIT");
  expect(found).toContain("packages/core/package.json: not in package-lock.json");
  expect(found).toContain("package-lock.json: node_modules/x names a host");
  expect(found).toContain("package.json: allowScripts says nothing of x");
  expect(found).toContain("package-lock.json: x-darwin-x64 1.0.0 is missing");
});

test("names refuses words that fit everything", async () => {
  const found = await findingsOf(names, {
    "packages/core/src/utils.ts": "export {};\n",
    "packages/core/src/driver/types.ts": "export {};\n",
    "packages/core/src/driver/path-manager.ts": "export {};\n",
    "packages/core/src/driver/sendStream.ts": "export {};\n",
    "packages/core/src/driver/one.ts": "export class FrameHandler {}\n",
    "packages/core/src/driver/two.ts": "export interface ILink {}\n",
  });
  for (const file of ["utils.ts", "types.ts", "path-manager.ts"]) expect(found).toMatch(new RegExp(`${file}: name it`));
  expect(found).toContain("sendStream.ts: not kebab-case");
  expect(found).toContain("FrameHandler does not say");
  expect(found).toContain("ILink does not say");
});

test("sizes warns above 400 lines, refuses above 600, and exempts generated files", async () => {
  const long = "export {};\n".repeat(601);
  fixture.plant({
    "packages/core/src/driver/long.ts": long,
    "packages/core/src/driver/alarm.ts": "export {};\n".repeat(401),
    "packages/core/src/driver/table.ts": `// generated by a script\n${long}`,
  });
  const result = await sizes.run(fixture.root);
  expect(result.findings).toEqual(["packages/core/src/driver/long.ts: 601 lines, at most 600"]);
  expect(result.warnings).toEqual(["packages/core/src/driver/alarm.ts: 401 lines, aim at 300"]);
});

test("words finds folders of one machine and registry hosts", async () => {
  const found = await findingsOf(words, {
    "docs/guide.md": `Look in ${["", "home", "me", "kwik"].join("/")}.\n\nor https://example.com/home/page\n`,
    "packages/core/src/driver/one.ts": `// ${["", "work", "main"].join("/")}\n`,
    ".npmrc": `registry=https://${["registry", "npmjs", "org"].join(".")}/\n`,
  });
  expect(found.split("\n")).toHaveLength(3);
  expect(found).toContain("docs/guide.md:1 a path of one machine");
  expect(found).toContain("packages/core/src/driver/one.ts:1 a path of one machine");
  expect(found).toContain(".npmrc:1 a registry's host");
});

test("audit names each dependency with a known weakness, and says so when nobody could be asked", () => {
  const output = (report: unknown, code = 1, stderr = "") => ({
    code,
    stdout: typeof report === "string" ? report : JSON.stringify(report),
    stderr,
  });
  const via = [{ title: "Uncontrolled recursion", url: "https://example.com/advisory" }, "y"];
  const weak = auditOutcome(
    output({
      auditReportVersion: 2,
      vulnerabilities: { x: { severity: "high", range: "<1.2.3", via } },
      metadata: { dependencies: { total: 7 } },
    }),
  );
  expect(weak.ok).toBe(false);
  expect(weak.findings).toEqual(["x <1.2.3: high: Uncontrolled recursion https://example.com/advisory; through y"]);
  const clean = auditOutcome(output({ auditReportVersion: 2, vulnerabilities: {}, metadata: { dependencies: { total: 7 } } }, 0));
  expect(clean).toMatchObject({ ok: true, findings: [], warnings: [], note: "7 dependencies" });
  for (const [outcome, reason] of [
    [output({ message: "405 Method Not Allowed", error: { summary: "", detail: "" } }), "405 Method Not Allowed"],
    [output({ error: { code: "ENOTFOUND", summary: "getaddrinfo ENOTFOUND" } }), "getaddrinfo ENOTFOUND"],
    [output("", 1, "npm did not run: spawn npm ENOENT\n"), "npm did not run"],
    [output("", 1), "said nothing"],
  ] as const) {
    const skipped = auditOutcome(outcome);
    expect(skipped).toMatchObject({ ok: true, note: "SKIPPED" });
    expect(skipped.warnings?.join()).toContain(reason);
  }
});

test("hazards wants a reason beside each dangerous call", async () => {
  const code = (lines: readonly string[]): string => `${lines.join("\n")}\n`;
  const found = await findingsOf(hazards, {
    "packages/kwik/src/insecure.ts": code([
      "export const a = { rejectUnauthorized: false };",
      "export const b = Math.random();",
      'export const c = { minVersion: "TLSv1.2" };',
      "// audited: dice are rolled",
      "export const d = Math.random();",
      "export const e = Math.random(); // audited: dice again",
      "export const f = { rejectUnauthorized: true };",
      "export const g = /x/.exec(String(a));",
      "// The word Math.random() in a comment.",
    ]),
  });
  expect(found.split("\n").map((line) => line.split(" ")[0])).toEqual([1, 2, 3].map((line) => `packages/kwik/src/insecure.ts:${line}`));
});
