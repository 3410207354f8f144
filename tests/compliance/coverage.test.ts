import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("every transport package runs the compliance suite", () => {
  const packages = readdirSync(fileURLToPath(new URL("../../packages", import.meta.url))).filter((name) => name.startsWith("transport-"));
  expect(packages.length).toBeGreaterThan(0);
  for (const name of packages) {
    const file = fileURLToPath(new URL(`./${name.slice("transport-".length)}.test.ts`, import.meta.url));
    expect(existsSync(file), `${name} has no ${file}`).toBe(true);
  }
});
