import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sha256, writeRandom } from "./folder.ts";
import { isFullRun, whyNot, whyNotWithoutRoot } from "./full-run.ts";
import { folderOfProcesses } from "./processes.ts";
import { freePort, run, serve, type Server } from "./program.ts";
import { Rig } from "./rig.ts";

const SIZE = isFullRun ? 100_000_000 : 20_000_000;
const folder = folderOfProcesses();
const source = join(folder, "source.bin");
const digest = writeRandom(source, SIZE);
let missing: string | undefined;
let sshd: Server;
let rig: Rig;

beforeAll(async () => {
  missing =
    whyNotWithoutRoot("sshd lets in the user that it runs as") ??
    whyNot({ "/usr/sbin/sshd": "openssh-server", "/usr/bin/ssh": "openssh-client" });
  if (missing !== undefined) return;
  for (const name of ["host", "user"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
  copyFileSync(join(folder, "user.pub"), join(folder, "authorized"));
  mkdirSync("/run/sshd", { recursive: true });
  const port = await freePort();
  const settings = {
    HostKey: join(folder, "host"),
    AuthorizedKeysFile: join(folder, "authorized"),
    ListenAddress: "127.0.0.1",
    PidFile: "none",
    UsePAM: "no",
    StrictModes: "no",
    PermitRootLogin: "yes",
    Subsystem: "sftp internal-sftp",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  sshd = await serve(port, "/usr/sbin/sshd", ["-D", "-e", "-f", "/dev/null", "-p", String(port), ...flags]);
  rig = await Rig.start({ ssh: port });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

function flags(portFlag: string): string[] {
  const known = [
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
    "-o",
    "IdentitiesOnly=yes",
  ];
  return ["-F", "/dev/null", portFlag, String(rig.port("ssh")), "-i", join(folder, "user"), ...known];
}

test("ssh carries bytes both ways while a line falls silent", async () => {
  const { stdout } = await rig.faulty("silent", SIZE / 2, () =>
    run("ssh", [...flags("-p"), "root@127.0.0.1", "cat"], { input: readFileSync(source) }),
  );
  expect(sha256(stdout)).toBe(digest);
});

test("scp copies there and back while a line is killed", async () => {
  const remote = `root@127.0.0.1:${join(folder, "there.bin")}`;
  await rig.faulty("killed", SIZE / 3, () => run("scp", [...flags("-P"), source, remote]));
  expect(sha256(readFileSync(join(folder, "there.bin")))).toBe(digest);
  await rig.faulty("killed", SIZE / 3, () => run("scp", [...flags("-P"), remote, join(folder, "back.bin")]));
  expect(sha256(readFileSync(join(folder, "back.bin")))).toBe(digest);
});
