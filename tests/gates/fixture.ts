import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The rules under test; what they are applied to is the fixture's own. */
const RULES = [
  "biome.json",
  "eslint.config.js",
  ".dependency-cruiser.cjs",
  "knip.json",
  "tsconfig.base.json",
  "tsconfig.tests.json",
  "tsconfig.lint.json",
  "scripts/generate-limits.ts",
];

/** A small tree of good manners in a temporary folder, into which tests plant violations. */
export class Fixture {
  readonly root: string;
  readonly #planted = new Set<string>();

  constructor() {
    this.root = realpathSync(mkdtempSync(join(tmpdir(), "kwik-gates-")));
    for (const file of RULES) cpSync(join(repository, file), join(this.root, file));
    for (const [path, text] of Object.entries(goodTree())) this.#write(path, text);
    this.#linkModules();
  }

  /** Adds or replaces files until `restore`. */
  plant(files: Record<string, string>): void {
    for (const [path, text] of Object.entries(files)) {
      this.#planted.add(path);
      this.#write(path, text);
    }
  }

  /** Back to the good tree. */
  restore(): void {
    const good = goodTree();
    for (const path of this.#planted) {
      const text = good[path];
      if (text === undefined) rmSync(join(this.root, path), { force: true });
      else this.#write(path, text);
    }
    this.#planted.clear();
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  /** The repository's modules, with this tree's packages in place of the repository's. */
  #linkModules(): void {
    const modules = join(repository, "node_modules");
    mkdirSync(join(this.root, "node_modules/@kwik"), { recursive: true });
    for (const entry of readdirSync(modules)) {
      if (entry !== "@kwik" && entry !== "kwik") symlinkSync(join(modules, entry), join(this.root, "node_modules", entry));
    }
    for (const name of Object.keys(PACKAGES))
      symlinkSync(join(this.root, "packages", name), join(this.root, "node_modules", fullName(name)));
  }
}

const PACKAGES: Record<string, { dependencies: Record<string, string>; files: Record<string, string> }> = {
  proto: {
    dependencies: { "@bufbuild/protobuf": "2.17.0" },
    files: {
      "index.ts": 'export { session } from "./session/session.ts";\nexport type { Limits } from "./base/limits.ts";\n',
      "base/limits.ts":
        "export interface Limits {\n  /** Paths at once. */\n  maxPaths: number;\n}\n\nexport const DEFAULT_LIMITS: Limits = { maxPaths: 16 };\n",
      "base/ids.ts": "/** spec: PATH-1 */\nexport type PathId = number;\n",
      "wire/frame.ts":
        'import type { PathId } from "../base/ids.ts";\n\nexport function frame(path: PathId): number {\n  return path;\n}\n',
      "control/codec.ts":
        'import { WireType } from "@bufbuild/protobuf/wire";\n\nexport function kind(): number {\n  return WireType.Varint;\n}\n',
      "data/stream.ts": 'import { frame } from "../wire/frame.ts";\n\nexport function stream(): number {\n  return frame(1);\n}\n',
      "path/rtt.ts": "export function rtt(): number {\n  return 1;\n}\n",
      "schedule/pick.ts": "export function pick(): number {\n  return 1;\n}\n",
      "content/fetch.ts": "export function fetchContent(): number {\n  return 1;\n}\n",
      "session/session.ts":
        'import { DEFAULT_LIMITS } from "../base/limits.ts";\nimport { fetchContent } from "../content/fetch.ts";\nimport { kind } from "../control/codec.ts";\n' +
        'import { stream } from "../data/stream.ts";\nimport { rtt } from "../path/rtt.ts";\nimport { pick } from "../schedule/pick.ts";\n\n' +
        "export function session(): number {\n  return DEFAULT_LIMITS.maxPaths + fetchContent() + kind() + stream() + rtt() + pick();\n}\n",
    },
  },
  core: {
    dependencies: { "@kwik/proto": "0.1.0" },
    files: {
      "index.ts": 'export { pump } from "./driver/pump.ts";\nexport type { Link } from "./transport/link.ts";\n',
      "api/errors.ts": "export class KwikError extends Error {}\n",
      "transport/link.ts":
        'import type { KwikError } from "../api/errors.ts";\n\nexport interface Link {\n  readonly error: KwikError | undefined;\n}\n',
      "driver/pump.ts":
        'import { session } from "@kwik/proto";\nimport { KwikError } from "../api/errors.ts";\nimport type { Link } from "../transport/link.ts";\n\n' +
        'export async function pump(link: Link): Promise<number> {\n  if (link.error !== undefined) throw new KwikError("x");\n  return session();\n}\n',
    },
  },
  "transport-quic": {
    dependencies: { "@kwik/core": "0.1.0", "@currentspace/http3": "0.9.0" },
    files: {
      "index.ts":
        'import * as engine from "@currentspace/http3";\nimport type { Link } from "@kwik/core";\n\n' +
        "export function link(): Link | undefined {\n  return Object.keys(engine).length > 0 ? { error: undefined } : undefined;\n}\n",
    },
  },
  testkit: {
    dependencies: { "@kwik/core": "0.1.0" },
    files: { "index.ts": 'export { pump as pumpUnderTest } from "@kwik/core";\n' },
  },
  kwik: {
    dependencies: { "@kwik/core": "0.1.0", "@kwik/transport-quic": "0.1.0" },
    files: {
      "index.ts":
        'import { pump } from "@kwik/core";\nimport { link } from "@kwik/transport-quic";\n\n' +
        "export async function dial(): Promise<number> {\n  return pump(link() ?? { error: undefined });\n}\n",
      "browser.ts": 'export { pump as dial } from "@kwik/core";\n',
    },
  },
  cli: {
    dependencies: { kwik: "0.1.0" },
    files: { "index.ts": 'import { dial } from "kwik";\n\nawait dial();\n' },
  },
};

const REFERENCES: Record<string, string[]> = {
  core: ["proto"],
  "transport-quic": ["core"],
  testkit: ["core"],
  kwik: ["core", "transport-quic"],
  cli: ["kwik"],
};

/** What the configuration files and tests import. */
const TOOLS = { "dependency-cruiser": "18.7.2", eslint: "10.15.0", typescript: "6.0.3", "typescript-eslint": "8.73.0", vitest: "5.1.0" };

function exportsOf(name: string): Record<string, string> {
  return { "kwik-source": `./src/${name}.ts`, types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` };
}

function fullName(name: string): string {
  return name === "kwik" ? "kwik" : `@kwik/${name}`;
}

/** As the formatter writes it: flat lists on one line, except in manifests. */
function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items: string) => `[${items.replace(/\s+/g, " ")}]`)}\n`;
}

function goodTree(): Record<string, string> {
  const rootManifest = { name: "fixture", version: "0.1.0", private: true, type: "module", license: "Apache-2.0", devDependencies: TOOLS };
  const lock: Record<string, unknown> = { "": rootManifest };
  const tree: Record<string, string> = {};
  for (const [name, { dependencies, files }] of Object.entries(PACKAGES)) {
    const manifest = {
      name: fullName(name),
      version: "0.1.0",
      license: "Apache-2.0",
      type: "module",
      exports: { ".": exportsOf("index"), ...(files["browser.ts"] === undefined ? {} : { "./browser": exportsOf("browser") }) },
      dependencies,
    };
    lock[`packages/${name}`] = manifest;
    tree[`packages/${name}/package.json`] = json(manifest);
    tree[`packages/${name}/tsconfig.json`] = json({
      extends: "../../tsconfig.base.json",
      compilerOptions: {
        rootDir: "src",
        outDir: "dist",
        tsBuildInfoFile: "dist/.tsbuildinfo",
        types: name === "proto" || name === "core" ? [] : ["node"],
      },
      include: ["src"],
      exclude: ["src/**/*.test.ts"],
      references: (REFERENCES[name] ?? []).map((below) => ({ path: `../${below}` })),
    });
    for (const [file, text] of Object.entries(files)) tree[`packages/${name}/src/${file}`] = text;
  }
  return {
    ...tree,
    "package.json": `${JSON.stringify({ ...rootManifest, workspaces: ["packages/*", "tests"], scripts: { generate: "node scripts/generate-limits.ts" } }, null, 2)}\n`,
    "package-lock.json": json({ name: "fixture", lockfileVersion: 3, packages: { ...lock, tests: { name: "@kwik/tests" } } }),
    "tests/package.json": json({
      name: "@kwik/tests",
      version: "0.1.0",
      private: true,
      type: "module",
      license: "Apache-2.0",
    }),
    "tests/sum.test.ts": 'import { expect, test } from "vitest";\n\ntest("one and one is two", () => {\n  expect(1 + 1).toBe(2);\n});\n',
    "tsconfig.json": json({ files: [], references: Object.keys(PACKAGES).map((name) => ({ path: `packages/${name}` })) }),
    "README.md": 'See the [rules](docs/protocol/README.md#rules).\n\n```ts\nimport { dial } from "kwik";\nawait dial();\n```\n',
    "docs/protocol/README.md": "# Rules\n\n- **PATH-1** A path has a number.\n",
    "docs/limits.md": LIMITS_PAGE,
  };
}

const LIMITS_PAGE = `<!-- generated from packages/proto/src/base/limits.ts; change it there and run npm run generate -->

# Limits

Each is a default that \`dial\` and \`listen\` take another value for, in \`limits\`. Names end in their unit.

| limit | default | meaning |
| --- | --- | --- |
| \`maxPaths\` | 16 | Paths at once. |
`;
