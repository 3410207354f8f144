import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const script = join(import.meta.dirname, "../../scripts/count-results.mjs");

/** Last line and exit code, given exit codes and results of the two parts. */
function countOf(checkCode: number, check: unknown, testCode: number, tests: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), "kwik-count-"));
  try {
    if (check !== undefined) writeFileSync(join(folder, "check.json"), JSON.stringify(check));
    if (tests !== undefined) writeFileSync(join(folder, "tests.json"), JSON.stringify(tests));
    const args = [script, String(checkCode), join(folder, "check.json"), String(testCode), join(folder, "tests.json")];
    const { stdout, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    return `${stdout.trimEnd().split("\n").at(-1) ?? ""} → ${status ?? "killed"}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const green = { gates: [{ name: "lint", ok: true }] };

test("gates and tests are added up", () => {
  expect(countOf(0, green, 0, { passed: 5, failed: 0, skipped: 2 })).toBe("6 passed, 0 failed, 2 skipped → 0");
});

test("a red gate and a red test both count", () => {
  const gates = {
    gates: [
      { name: "lint", ok: false },
      { name: "types", ok: true },
    ],
  };
  expect(countOf(1, gates, 1, { passed: 5, failed: 3, skipped: 0 })).toBe("6 passed, 4 failed, 0 skipped → 1");
});

test("a part that broke down without counting is a failure", () => {
  expect(countOf(1, undefined, 0, { passed: 5, failed: 0, skipped: 0 })).toBe("5 passed, 1 failed, 0 skipped → 1");
  expect(countOf(0, green, 1, undefined)).toBe("1 passed, 2 failed, 0 skipped → 1");
  expect(countOf(0, green, 1, { passed: 5, failed: 0, skipped: 0 })).toBe("6 passed, 1 failed, 0 skipped → 1");
});

test("a run without any test is a failure", () => {
  expect(countOf(0, green, 0, { passed: 0, failed: 0, skipped: 0 })).toBe("1 passed, 1 failed, 0 skipped → 1");
});
