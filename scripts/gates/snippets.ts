import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { filesOf, textOf } from "./tree.ts";
import { linesOf, runTool } from "./tool.ts";

/** Each block of the guide that is marked ```ts, exactly, compiles as a module of its own. */
export const snippets: Gate = {
  name: "snippets",
  async run(root) {
    const blocks = filesOf(root, (path) => path.endsWith(".md")).flatMap((page) => blocksOf(page, textOf(root, page)));
    if (blocks.length === 0) return verdict([], "0 blocks");
    const folder = mkdtempSync(join(tmpdir(), "kwik-snippets-"));
    try {
      symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
      mkdirSync(join(folder, "src"));
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(projectOf(root)));
      // Blank lines in front keep the line numbers of the page.
      blocks.forEach((block, i) => {
        writeFileSync(join(folder, `src/block-${i}.ts`), `${"\n".repeat(block.line)}${block.code}\nexport {};\n`);
      });
      const output = await runTool(folder, "tsc", ["-p", "tsconfig.json", "--pretty", "false"]);
      if (output.code === 0) return verdict([], `${blocks.length} blocks`);
      const findings = linesOf(output).map((line) =>
        line.replace(/^src\/block-(\d+)\.ts\((\d+),\d+\)/, (_, i: string, at: string) => `${blocks[Number(i)]?.page ?? ""}:${at}`),
      );
      return verdict(findings, `${blocks.length} blocks`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

interface Block {
  readonly page: string;
  /** Number of the line with the fence. */
  readonly line: number;
  readonly code: string;
}

function blocksOf(page: string, text: string): Block[] {
  const blocks: Block[] = [];
  for (const match of text.matchAll(/^( *)```ts[ \t]*\n([\s\S]*?)^\1```/gm)) {
    blocks.push({ page, line: text.slice(0, match.index).split("\n").length, code: match[2] ?? "" });
  }
  return blocks;
}

function projectOf(root: string): object {
  return {
    extends: join(root, "tsconfig.base.json"),
    compilerOptions: {
      composite: false,
      declaration: false,
      declarationMap: false,
      sourceMap: false,
      noEmit: true,
      allowImportingTsExtensions: true,
      rewriteRelativeImportExtensions: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
      lib: ["ES2024", "ESNext.Disposable"],
    },
    include: ["src"],
  };
}
