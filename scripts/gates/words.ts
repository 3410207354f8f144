import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { filesOf, textOf } from "./tree.ts";

const TEXT = /\.(ts|mts|js|mjs|cjs|json|jsonc|md|txt|ya?ml|sh|proto|html|css|toml|svg)$|(^|\/)[^./]+$|(^|\/)\.[a-z]+(rc|ignore|config)?$/;

// Written in pieces, so that this file does not contain what it forbids.
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`(?<![\\w.)\\]}-])/(?:${["work", "root", "home", "Users"].join("|")})/`), "a path of one machine"],
  [new RegExp(`[A-Z]:\\\\${["Us", "ers"].join("")}\\\\`), "a path of one machine"],
  [new RegExp(["registry", "(npmjs|yarnpkg|npmmirror)", "(org|com)"].join("\\.")), "a registry's host"],
  [new RegExp(["npm", "pkg", "github", "com"].join("\\.")), "a registry's host"],
];

/** The tree names no folder of one machine and no package registry. */
export const words: Gate = {
  name: "words",
  run(root) {
    const findings: string[] = [];
    const files = filesOf(root, (path) => TEXT.test(path));
    for (const path of files) {
      const text = textOf(root, path);
      for (const [pattern, meaning] of FORBIDDEN) {
        const match = pattern.exec(text);
        if (match !== null) findings.push(`${path}:${text.slice(0, match.index).split("\n").length} ${meaning}: ${match[0]}`);
      }
    }
    return Promise.resolve(verdict(findings, `${files.length} files`));
  },
};
