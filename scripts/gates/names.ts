import { basename } from "node:path";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { filesOf, isGenerated, textOf } from "./tree.ts";

const VAGUE_FILE = /^(utils?|helpers?|common|misc|shared|types|stuff)$|(^|-)(manager|handler|processor|coordinator|impl|utils?|helpers?)$/;
const VAGUE_EXPORT =
  /^export (?:default )?(?:abstract )?(?:class (\w*(?:Manager|Handler|Processor|Coordinator|Impl|Helper|Util))|interface (I[A-Z][a-z]\w*))\b/gm;
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Files are kebab-case and named for the one thing they hold; nothing is called by a word that fits everything. */
export const names: Gate = {
  name: "names",
  run(root) {
    const findings: string[] = [];
    const files = filesOf(root, (path) => /^(packages\/[^/]+\/(src|scripts|bench)|tests|examples|scripts)\/.*\.(ts|mjs|js)$/.test(path));
    for (const path of files) {
      const name = basename(path).replace(/(\.(test|bench|fixture|d|config))?\.(ts|mjs|js)$/, "");
      const text = textOf(root, path);
      if (isGenerated(text)) continue;
      if (VAGUE_FILE.test(name)) findings.push(`${path}: name it for the one thing it holds`);
      if (!KEBAB.test(name)) findings.push(`${path}: not kebab-case`);
      for (const match of text.matchAll(VAGUE_EXPORT)) findings.push(`${path}: ${match[1] ?? match[2] ?? ""} does not say what it is`);
    }
    return Promise.resolve(verdict(findings, `${files.length} files`));
  },
};
