import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initCluster, issueServer, revoke } from "@kwik/trust";
import { expect, onTestFinished, test } from "vitest";
import { withRevoked } from "./revoked-keys.ts";

test("a list of revoked keys is believed if the authority beside it has signed it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kwik-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const make = async (name: string): Promise<{ ca: string; revoked: string; identity: string }> => {
    const dir = join(folder, name);
    const { caFile } = await initCluster(dir);
    const { identity } = await issueServer(dir, { hosts: ["a.example"], name: "a" });
    const { listFile } = await revoke(dir, { who: "a" });
    return { ca: await readFile(caFile, "utf8"), revoked: await readFile(listFile, "utf8"), identity };
  };
  const [one, other] = [await make("one"), await make("other")];
  expect(await withRevoked({ trust: { ca: one.ca, revoked: one.revoked } })).toEqual({ revoked: [one.identity] });
  expect(await withRevoked({ trust: { ca: one.ca } })).toEqual({});
  expect(await withRevoked({})).toEqual({});
  await expect(withRevoked({ trust: { ca: other.ca, revoked: one.revoked } })).rejects.toMatchObject({ code: "NOT_TRUSTED" });
  await expect(withRevoked({ trust: { ca: one.ca, revoked: "nonsense" } })).rejects.toMatchObject({ code: expect.any(String) as string });
  await expect(withRevoked({ trust: { revoked: one.revoked } })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
