import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

const SKIPPED_FOLDERS = new Set(["node_modules", "dist", ".git", "coverage", ".kwik"]);

/** Paths of all files below `root` that belong to the repository, relative, with slashes, sorted. */
export function filesOf(root: string, accept: (path: string) => boolean = () => true): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!SKIPPED_FOLDERS.has(entry.name)) visit(path);
      } else if (entry.isFile() && entry.name !== ".git") {
        const name = relative(root, path).replaceAll("\\", "/");
        if (accept(name)) found.push(name);
      }
    }
  };
  visit(root);
  return found.sort();
}

export function textOf(root: string, path: string): string {
  return readFileSync(join(root, path), "utf8");
}

export function exists(root: string, path: string): boolean {
  return statSync(join(root, path), { throwIfNoEntry: false }) !== undefined;
}

/** A generated file says so in its first line. */
export function isGenerated(text: string): boolean {
  return /generated/i.test(text.slice(0, Math.max(text.indexOf("\n"), 0)));
}
