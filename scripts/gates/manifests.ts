import type { Gate } from "./gate.ts";
import { verdict } from "./gate.ts";
import { exists, filesOf, textOf } from "./tree.ts";
import { runTool } from "./tool.ts";

interface Manifest {
  version?: string;
  license?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  allowScripts?: Record<string, boolean>;
}

interface LockEntry extends Manifest {
  resolved?: string;
  link?: boolean;
  hasInstallScript?: boolean;
}

const EXACT = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;
const FIELDS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const;

/** Versions are exact, the lockfile is there, agrees and names no host, and each install script is one we allowed. */
export const manifests: Gate = {
  name: "manifests",
  async run(root) {
    const findings: string[] = [];
    const manifestPaths = filesOf(root, (path) => /^((packages\/[^/]+|tests|examples)\/)?package\.json$/.test(path));
    const lock = exists(root, "package-lock.json")
      ? (JSON.parse(textOf(root, "package-lock.json")) as { packages?: Record<string, LockEntry> }).packages
      : undefined;
    if (lock === undefined) findings.push("package-lock.json: missing");
    else if (exists(root, ".git")) {
      const tracked = await runTool(root, "node", ["-e", CHECK_IGNORED]);
      if (tracked.code !== 0) findings.push("package-lock.json: ignored by git");
    }
    const allowed = (JSON.parse(textOf(root, "package.json")) as Manifest).allowScripts ?? {};

    for (const path of manifestPaths) {
      const manifest = JSON.parse(textOf(root, path)) as Manifest;
      if (manifest.license !== undefined && manifest.license !== "Apache-2.0") findings.push(`${path}: license ${manifest.license}`);
      const locked = lock?.[path.replace(/\/?package\.json$/, "")];
      if (lock !== undefined && locked === undefined) findings.push(`${path}: not in package-lock.json (npm install)`);
      for (const field of FIELDS) {
        for (const [name, version] of Object.entries(manifest[field] ?? {})) {
          if (!EXACT.test(version)) findings.push(`${path}: ${name} ${version} is not an exact version`);
          if (locked !== undefined && locked[field]?.[name] !== version)
            findings.push(`${path}: ${name} ${version} differs from package-lock.json`);
        }
      }
    }
    for (const [name, entry] of Object.entries(lock ?? {})) {
      if (/^[a-z+]+:/i.test(entry.resolved ?? ""))
        findings.push(`package-lock.json: ${name} names a host (npm install with the .npmrc of this tree)`);
      for (const [other, version] of Object.entries(entry.optionalDependencies ?? {})) {
        const present = lock?.[`node_modules/${other}`] ?? lock?.[`${name}/node_modules/${other}`];
        if (present === undefined) findings.push(`package-lock.json: ${other} ${version} is missing (node scripts/complete-lockfile.mjs)`);
      }
      const bare = name.replace(/^.*node_modules\//, "");
      if (entry.hasInstallScript === true && allowed[bare] === undefined)
        findings.push(`package.json: allowScripts says nothing of ${bare}`);
    }
    return verdict(findings, `${manifestPaths.length} manifests`);
  },
};

// `git check-ignore` answers 0 for an ignored path; 1 and 128 (no repository) are fine.
const CHECK_IGNORED = `
  const { spawnSync } = require("node:child_process");
  process.exit(spawnSync("git", ["check-ignore", "-q", "package-lock.json"]).status === 0 ? 1 : 0);
`;
