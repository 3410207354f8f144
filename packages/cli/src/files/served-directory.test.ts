import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ServedDirectory } from "./served-directory.ts";

const top = realpathSync(mkdtempSync(join(tmpdir(), "kwik-served-")));
afterAll(() => rmSync(top, { recursive: true }));
mkdirSync(join(top, "files/sub"), { recursive: true });
writeFileSync(join(top, "secret"), "secret");
writeFileSync(join(top, "files/a.bin"), "12345");
writeFileSync(join(top, "files/sub/b.bin"), "1");
symlinkSync("../secret", join(top, "files/out"));
symlinkSync("sub/b.bin", join(top, "files/in"));
symlinkSync("..", join(top, "files/up"));
symlinkSync("nowhere", join(top, "files/broken"));
mkdirSync(join(top, "files-beside"));
writeFileSync(join(top, "files-beside/c"), "");
symlinkSync("../files-beside", join(top, "files/beside"));
const served = new ServedDirectory(join(top, "files"));

test("knows plain files, also by links that stay inside", async () => {
  expect(await served.fileId("a.bin")).toBe("a.bin");
  expect(await served.fileId("/sub/b.bin")).toBe("sub/b.bin");
  expect(await served.fileId("in")).toBe("in");
});

test("gives nothing outside of the directory, whatever the path says", async () => {
  const paths = [
    "../secret",
    "sub/../../secret",
    "out",
    "up/secret",
    "beside/c",
    "..",
    "./a.bin",
    "//etc/passwd",
    "sub\\..\\a",
    "a.bin\0",
    "sub//b.bin",
  ];
  for (const path of paths) await expect(served.fileId(path), path).rejects.toMatchObject({ code: "forbidden" });
  await expect(served.list("up")).rejects.toMatchObject({ code: "forbidden" });
  await expect(served.fileId("/etc/passwd")).rejects.toMatchObject({ code: "not-found" });
});

test("tells missing files and directories apart", async () => {
  await expect(served.fileId("nothing")).rejects.toMatchObject({ code: "not-found" });
  await expect(served.fileId("a.bin/x")).rejects.toMatchObject({ code: "not-found" });
  await expect(served.fileId("broken")).rejects.toMatchObject({ code: "not-found" });
  await expect(served.fileId("sub")).rejects.toMatchObject({ code: "is-directory" });
  await expect(served.fileId("")).rejects.toMatchObject({ code: "is-directory" });
});

test("lists what may be fetched, and nothing else", async () => {
  const entries = await served.list("");
  expect(entries.map(({ name, type, size }) => `${type} ${name} ${size}`)).toEqual(["file a.bin 5", "file in 1", "directory sub 0"]);
  expect((await served.list("/sub/")).map((entry) => entry.name)).toEqual(["b.bin"]);
  expect((await served.list("a.bin")).map((entry) => entry.name)).toEqual(["a.bin"]);
});
