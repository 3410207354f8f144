// A reporter beside vitest's own: prints why each skipped test was skipped, refuses skips without a reason, and writes the
// counts to the file that KWIK_TEST_COUNTS names.
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    const mute: string[] = [];
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") counts.passed += 1;
        else if (result.state === "failed") counts.failed += 1;
        else {
          counts.skipped += 1;
          const reason = result.state === "skipped" ? (result.note ?? "") : "";
          if (reason === "") mute.push(`${module.relativeModuleId}: ${test.fullName}`);
          process.stdout.write(`skipped: ${test.fullName}: ${reason === "" ? "no reason given" : reason}\n`);
        }
      }
    }
    if (mute.length > 0) {
      counts.failed += mute.length;
      process.exitCode = 1;
      process.stdout.write(`skipped without a reason, which counts as failed: ${mute.join("; ")}\n`);
    }
    const file = process.env["KWIK_TEST_COUNTS"];
    if (file !== undefined && file !== "") writeFileSync(file, JSON.stringify(counts));
  }
}
