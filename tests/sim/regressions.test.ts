import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { play, type RandomCase } from "./random-case.ts";

const folder = join(import.meta.dirname, "regressions");
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

test("there are cases to replay", () => {
  expect(files.length).toBeGreaterThan(0);
});

for (const file of files) {
  test(`no longer: ${file.replace(".json", "").replaceAll("-", " ")}`, () => {
    play(JSON.parse(readFileSync(join(folder, file), "utf8")) as RandomCase);
  });
}
