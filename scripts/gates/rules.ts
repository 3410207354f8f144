import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { filesOf, textOf } from "./tree.ts";

const ID = /\b[A-Z]{2,}-\d+\b/g;

/** A rule that code cites (`spec: PATH-3`) is written in docs/protocol, once. Counts the rules that no test names. */
export const rules: Gate = {
  name: "rules",
  run(root) {
    const findings: string[] = [];
    const defined = new Map<string, string>();
    const pages = filesOf(root, (path) => /^docs\/protocol\/.*\.md$/.test(path));
    for (const page of pages) {
      for (const match of textOf(root, page).matchAll(/\*\*([A-Z]{2,}-\d+)\*\*/g)) {
        const id = match[1] ?? "";
        const before = defined.get(id);
        if (before === undefined) defined.set(id, page);
        else findings.push(`${page}: ${id} is already a rule of ${before}`);
      }
    }
    const families = new Set([...defined.keys()].map((id) => id.replace(/-\d+$/, "")));
    for (const page of pages) {
      for (const id of new Set(textOf(root, page).match(ID))) {
        if (families.has(id.replace(/-\d+$/, "")) && !defined.has(id)) findings.push(`${page}: ${id} is no rule of docs/protocol`);
      }
    }
    const tested = new Set<string>();
    for (const path of filesOf(root, (file) => /^(packages|tests)\/.*\.ts$/.test(file))) {
      const text = textOf(root, path);
      // Fixtures of the gates' own tests cite rules that must not exist.
      if (path.startsWith("tests/gates/")) continue;
      for (const match of text.matchAll(/\bspec: *((?:[A-Z]{2,}-\d+)(?:(?:,| and| or)? *[A-Z]{2,}-\d+)*)/g)) {
        for (const id of (match[1] ?? "").match(ID) ?? []) {
          if (!defined.has(id))
            findings.push(`${path}:${text.slice(0, match.index).split("\n").length} cites ${id}, which docs/protocol does not have`);
        }
      }
      if (path.endsWith(".test.ts") || path.startsWith("tests/")) for (const id of text.match(ID) ?? []) tested.add(id);
    }
    const untested = [...defined.keys()].filter((id) => !tested.has(id));
    const list = untested.length === 0 ? [] : [`no test names ${untested.join(" ")}`];
    return Promise.resolve(verdict(findings, `${defined.size} rules, ${untested.length} without a citing test`, list));
  },
};
