import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { filesOf, isGenerated, textOf } from "./tree.ts";

/** What is right in few places only, and wrong without a reason. */
const HAZARDS: readonly (readonly [RegExp, string])[] = [
  [/\brejectUnauthorized: (?!true\b)/, "a TLS connection whose certificate TLS itself does not check"],
  [/\bcheckServerIdentity: /, "a TLS connection whose name TLS itself does not check"],
  [/\bMath\.random\(/, "randomness that anybody may foresee"],
  [/(?<![.\w])eval\(|\bnew Function\(/, "text that becomes code"],
  [/(?<![.\w])exec(?:Sync)?\(|\bshell: true\b/, "a command that a shell takes apart"],
  [/\bcreateHash\("(?:md5|sha1)"\)/, "a hash that is broken"],
  [/\b(?:min|max)Version: "(?!TLSv1\.3")/, "a TLS older than 1.3"],
  [/NODE_TLS_REJECT_UNAUTHORIZED/, "TLS without checks, for the whole process"],
  [/\b(?:inner|outer)HTML\b|\.insertAdjacentHTML\(/, "text that becomes markup"],
];

const MARK = "audited:";

/** A dangerous call stands with its reason, `// audited: …` in its line or in the comment above it. */
export const hazards: Gate = {
  name: "hazards",
  run(root) {
    const findings: string[] = [];
    let reasons = 0;
    const files = filesOf(
      root,
      (path) => /^(packages\/[^/]+\/src|examples|scripts)\/.*\.(ts|mjs|js)$/.test(path) && !/\.(test|bench|fixture)\.ts$/.test(path),
    );
    for (const path of files) {
      // This file writes down what it looks for.
      if (path === "scripts/gates/hazards.ts") continue;
      const text = textOf(root, path);
      if (isGenerated(text)) continue;
      const lines = text.split("\n");
      for (const [index, line] of lines.entries()) {
        if (/^\s*(\/\/|\*)/.test(line)) continue;
        for (const [pattern, meaning] of HAZARDS) {
          if (!pattern.test(line)) continue;
          if (hasReason(lines, index)) reasons += 1;
          else findings.push(`${path}:${index + 1} ${meaning}; say why it is right: // ${MARK} …`);
        }
      }
    }
    return Promise.resolve(verdict(findings, `${files.length} files, ${reasons} reasons`));
  },
};

function hasReason(lines: readonly string[], index: number): boolean {
  if (lines[index]?.includes(MARK) === true) return true;
  for (let above = index - 1; above >= 0 && /^\s*\/\//.test(lines[above] ?? ""); above -= 1) {
    if (lines[above]?.includes(MARK) === true) return true;
  }
  return false;
}
