import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const repository = join(import.meta.dirname, "../..");

/** Runs vitest with the reporter on one test file. */
function run(code: string): { stdout: string; status: number | null; counts: unknown } {
  const folder = mkdtempSync(join(tmpdir(), "kwik-skip-"));
  try {
    symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "a.test.ts"), `import { expect, test } from "vitest";\n${code}`);
    const counts = join(folder, "counts.json");
    const { stdout, status } = spawnSync(
      process.execPath,
      [join(repository, "node_modules/vitest/vitest.mjs"), "run", "--reporter", join(repository, "scripts/skip-reporter.ts")],
      { cwd: folder, encoding: "utf8", env: { ...process.env, KWIK_TEST_COUNTS: counts, VITEST: undefined } },
    );
    return { stdout, status, counts: JSON.parse(readFileSync(counts, "utf8")) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("a skip with a reason is printed and counted", { timeout: 60_000 }, () => {
  const result = run('test("here", () => { expect(1).toBe(1); });\ntest("needs root", (context) => { context.skip("no root"); });\n');
  expect(result.stdout).toContain("skipped: needs root: no root");
  expect(result.counts).toEqual({ passed: 1, failed: 0, skipped: 1 });
  expect(result.status).toBe(0);
});

test("a skip without a reason fails the run", { timeout: 60_000 }, () => {
  const result = run('test("here", () => { expect(1).toBe(1); });\ntest.skip("later", () => {});\n');
  expect(result.stdout).toContain("skipped: later: no reason given");
  expect(result.counts).toEqual({ passed: 1, failed: 1, skipped: 1 });
  expect(result.status).toBe(1);
});
