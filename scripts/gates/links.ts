import { dirname, join } from "node:path";
import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { exists, filesOf, textOf } from "./tree.ts";

/** Each relative link of a page leads to a file of the tree, and each anchor to a heading. */
export const links: Gate = {
  name: "links",
  run(root) {
    const findings: string[] = [];
    let count = 0;
    for (const page of filesOf(root, (path) => path.endsWith(".md"))) {
      for (const match of withoutCode(textOf(root, page)).matchAll(/\[[^\]]*\]\(<?([^()\s>]+)>?(?:\s+"[^"]*")?\)/g)) {
        const link = match[1] ?? "";
        if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue;
        count += 1;
        const [file = "", anchor] = decodeURIComponent(link).split("#", 2);
        const target = file === "" ? page : join(dirname(page), file).replaceAll("\\", "/");
        if (target.startsWith("..") || !exists(root, target)) findings.push(`${page}: ${link} leads nowhere`);
        else if (anchor !== undefined && target.endsWith(".md") && !anchorsOf(textOf(root, target)).has(anchor)) {
          findings.push(`${page}: ${link} names no heading of ${target}`);
        }
      }
    }
    return Promise.resolve(verdict(findings, `${count} links`));
  },
};

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "``");
}

/** Anchors as the usual hosts make them from headings. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const match of text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ +(.+?)\s*$/gm)) {
    const words = (match[1] ?? "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const base = words.replace(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
    let anchor = base;
    for (let i = 1; anchors.has(anchor); i += 1) anchor = `${base}-${i}`;
    anchors.add(anchor);
  }
  for (const match of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(match[1] ?? "");
  return anchors;
}
