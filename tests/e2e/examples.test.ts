import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** What an example prints; rejects if it fails. */
async function run(example: string): Promise<string> {
  const script = fileIn(`examples/${example}.ts`);
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=kwik-source", script], { timeout: 25_000 });
  return stdout;
}

function fileIn(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}

test("the twenty lines of the README do what they say, and end", async () => {
  const code = /^```ts\n(.*?)^```$/ms.exec(readFileSync(fileIn("README.md"), "utf8"))?.[1];
  const script = fileIn(`examples/readme-${process.pid}.tmp.ts`);
  writeFileSync(script, code ?? "");
  try {
    expect(await run(`readme-${process.pid}.tmp`)).toBe("hello\n");
  } finally {
    rmSync(script);
  }
});

test("the echo comes back", async () => {
  expect(await run("echo")).toBe('server: got "hello over kwik"\nclient: got "hello over kwik"\n');
});

test("two servers fill one stream, about half each", async () => {
  const said = await run("two-server-file");
  expect(said).toContain("6000000 bytes, as they should be");
  const shares = [...said.matchAll(/(\d+) bytes came over path/g)].map((match) => Number(match[1]));
  expect(shares).toHaveLength(2);
  for (const share of shares) expect(share).toBeGreaterThan(2_500_000);
});
