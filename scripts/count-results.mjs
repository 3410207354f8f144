// Sums what the check and the tests of .ci/run counted: one gate is one test. Its last line is the result of the whole run.
// Arguments: exit code and result file of the check, then of the tests. Runs on any Node.
import { readFileSync } from "node:fs";

const [checkCode, checkFile, testCode, testFile] = process.argv.slice(2);

/** @param {string | undefined} file */
function read(file) {
  try {
    return JSON.parse(readFileSync(String(file), "utf8"));
  } catch {
    return undefined;
  }
}

const gates = read(checkFile)?.gates ?? [];
const tests = read(testFile) ?? { passed: 0, failed: 0, skipped: 0 };
const failedGates = gates.filter((gate) => !gate.ok);
for (const gate of failedGates) console.log(`failed gate: ${gate.name}`);

const passed = tests.passed + gates.length - failedGates.length;
let failed = tests.failed + failedGates.length;
// A run that broke down before it could count is a failure too.
if (checkCode !== "0" && failedGates.length === 0) failed += 1;
if (testCode !== "0" && tests.failed === 0) failed += 1;
if (tests.passed === 0 && tests.failed === 0) failed += 1;

console.log(`${passed} passed, ${failed} failed, ${tests.skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
