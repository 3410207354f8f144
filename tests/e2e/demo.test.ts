import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kwik, startKwik, testFolder, writeRandomFile } from "./kwik-process.ts";

const folder = testFolder();

function leftovers(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("kwik-demo-"));
}

test("the demo loses its first server and tells a true story", async () => {
  const before = leftovers();
  const sha256 = writeRandomFile(join(folder, "film.bin"), 12_000_000);
  const outcome = await kwik("demo", join(folder, "film.bin"));
  expect(outcome.status, outcome.stderr).toBe(0);
  expect(outcome.stdout).toContain(sha256);
  expect(outcome.stdout).toMatch(/now killing A/);
  expect(outcome.stdout).toMatch(/A was killed half-way/);
  for (const name of ["A", "B", "C"]) expect(outcome.stdout).toMatch(new RegExp(`^ {2}${name} {2}\\S+ {2}gave \\d`, "m"));
  expect(outcome.seconds).toBeLessThan(20);
  expect(leftovers()).toEqual(before);
});

test("Ctrl-C in the middle of the demo leaves no process and no file", async () => {
  const before = leftovers();
  writeRandomFile(join(folder, "long.bin"), 20_000_000);
  const demo = startKwik(["demo", join(folder, "long.bin")]);
  const pids: number[] = [];
  await new Promise<void>((resolve) => {
    let said = "";
    demo.child.stdout?.on("data", (data: Buffer) => {
      said += data.toString();
      for (const match of said.matchAll(/process (\d+)\n/g)) if (!pids.includes(Number(match[1]))) pids.push(Number(match[1]));
      if (/of 20\.0 MB/.test(said)) resolve();
    });
    void demo.outcome.then(() => resolve());
  });
  demo.child.kill("SIGINT");
  const outcome = await demo.outcome;
  expect(outcome.status, outcome.stderr).toBe(7);
  expect(pids).toHaveLength(3);
  for (const pid of pids) expect(() => process.kill(pid, 0), `process ${pid}`).toThrow();
  expect(leftovers()).toEqual(before);
});

test("a file that is too small for a demo is refused", async () => {
  writeRandomFile(join(folder, "small.bin"), 1000);
  expect(await kwik("demo", join(folder, "small.bin"))).toMatchObject({ status: 2, stderr: expect.stringContaining("at least") as string });
});
