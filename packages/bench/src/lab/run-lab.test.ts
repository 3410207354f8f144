import { afterEach, expect, test, vi } from "vitest";
import { runLab } from "./run-lab.ts";

afterEach(() => vi.restoreAllMocks());

/** Exit status, and what was said on standard error. */
async function outcomeOf(only: string): Promise<{ status: number; said: string }> {
  let said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += String(text);
    return true;
  });
  return { status: await runLab({ json: false, only }), said };
}

test("without root it says so, and does nothing", async () => {
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  expect(await outcomeOf("10+10")).toEqual({ status: 8, said: expect.stringMatching(/needs (root|Linux)/) as string });
});

test("a pattern that no cell matches names the cells", async () => {
  expect(await outcomeOf("no such cell")).toEqual({
    status: 2,
    said: expect.stringMatching(/no cell matches.*\n(.*\n)*.*simult_flows/) as string,
  });
});
