import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** What an example prints; rejects if it fails. */
async function run(example: string): Promise<string> {
  const script = fileURLToPath(new URL(`../../examples/${example}.ts`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=kwik-source", script], { timeout: 25_000 });
  return stdout;
}

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
