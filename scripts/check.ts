// npm run check: all gates, one line each. `--only lint,types` picks some, `--json FILE` writes the result for a machine.
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { audit } from "./gates/audit.ts";
import { browser } from "./gates/browser.ts";
import { format } from "./gates/format.ts";
import type { Gate, GateResult } from "./gates/gate.ts";
import { generated } from "./gates/generated.ts";
import { hazards } from "./gates/hazards.ts";
import { imports } from "./gates/imports.ts";
import { links } from "./gates/links.ts";
import { lint } from "./gates/lint.ts";
import { manifests } from "./gates/manifests.ts";
import { names } from "./gates/names.ts";
import { purity } from "./gates/purity.ts";
import { rules } from "./gates/rules.ts";
import { sizes } from "./gates/sizes.ts";
import { snippets } from "./gates/snippets.ts";
import { typecheck } from "./gates/typecheck.ts";
import { unused } from "./gates/unused.ts";
import { words } from "./gates/words.ts";

// The order matters: `types` builds what `purity` looks at.
const GATES: readonly Gate[] = [
  format,
  typecheck,
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
  audit,
  hazards,
  names,
  sizes,
  words,
];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({ options: { only: { type: "string" }, json: { type: "string" }, all: { type: "boolean" } } });
const wanted = values.only?.split(",");
const unknown = wanted?.filter((name) => !GATES.some((gate) => gate.name === name)) ?? [];
if (unknown.length > 0) {
  process.stderr.write(`no gate ${unknown.join(", ")}; there are ${GATES.map((gate) => gate.name).join(", ")}\n`);
  process.exit(2);
}

const MAX_SHOWN = values.all === true ? Infinity : 40;
const results: { name: string; ok: boolean; findings: readonly string[] }[] = [];
for (const gate of GATES.filter((one) => wanted?.includes(one.name) ?? true)) {
  const start = performance.now();
  const result = await outcome(gate);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const count = result.ok ? "" : `${result.findings.length} found`;
  const note = [count, result.note ?? ""].filter((text) => text !== "").join(", ");
  process.stdout.write(`${result.ok ? "ok  " : "FAIL"} ${gate.name.padEnd(10)} ${seconds.padStart(6)} s  ${note}\n`);
  for (const line of result.findings.slice(0, MAX_SHOWN)) process.stdout.write(`       ${line}\n`);
  if (result.findings.length > MAX_SHOWN) process.stdout.write(`       and ${result.findings.length - MAX_SHOWN} more (--all)\n`);
  for (const line of result.warnings ?? []) process.stdout.write(`  note ${line}\n`);
  results.push({ name: gate.name, ok: result.ok, findings: result.findings });
}

const failed = results.filter((result) => !result.ok).map((result) => result.name);
process.stdout.write(failed.length === 0 ? `check: ${results.length} gates passed\n` : `check: ${failed.join(", ")} failed\n`);
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ gates: results }));
if (failed.length > 0) process.exitCode = 1;

/** A gate that throws is red. */
async function outcome(gate: Gate): Promise<GateResult> {
  try {
    return await gate.run(root);
  } catch (error) {
    return { ok: false, findings: [`the gate itself failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`] };
  }
}
