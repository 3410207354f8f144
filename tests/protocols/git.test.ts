import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { writeRandom } from "./folder.ts";
import { isFullRun, whyNot } from "./full-run.ts";
import { folderOfProcesses } from "./processes.ts";
import { run } from "./program.ts";
import { Rig } from "./rig.ts";

// git over HTTP against git's own `http-backend`, which is a CGI program.

const SIZE = isFullRun ? 100_000_000 : 6_000_000;
const folder = folderOfProcesses();
const backend = createServer((request, response) => serveGit(request, response));
let missing: string | undefined;
let rig: Rig;

beforeAll(async () => {
  missing = whyNot({ "/usr/bin/git": "git" });
  if (missing !== undefined) return;
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  rig = await Rig.start({ git: (backend.address() as AddressInfo).port });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  backend.close();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

/** One request as a CGI program wants it (RFC 3875). */
function serveGit(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://localhost");
  const env = {
    ...process.env,
    GIT_PROJECT_ROOT: folder,
    GIT_HTTP_EXPORT_ALL: "1",
    REQUEST_METHOD: request.method ?? "GET",
    PATH_INFO: url.pathname,
    QUERY_STRING: url.search.slice(1),
    CONTENT_TYPE: request.headers["content-type"] ?? "",
    CONTENT_LENGTH: request.headers["content-length"] ?? "",
    HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
    GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
  };
  const child = spawn("git", ["http-backend"], { env, stdio: ["pipe", "pipe", "inherit"] });
  request.pipe(child.stdin);
  child.stdin.on("error", () => undefined);
  let head = Buffer.alloc(0);
  const onHead = (data: Buffer): void => {
    head = Buffer.concat([head, data]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    child.stdout.off("data", onHead);
    const lines = head.subarray(0, end).toString("latin1").split("\r\n");
    for (const line of lines) {
      const [name = "", value = ""] = line.split(": ", 2);
      if (name === "Status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
    child.stdout.pipe(response);
  };
  child.stdout.on("data", onHead);
  child.once("exit", () => {
    if (!response.headersSent && head.length === 0) response.writeHead(500).end();
  });
}

function git(cwd: string, ...args: string[]): string {
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"];
  return execFileSync("git", [...identity, ...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

test("git clones while a line falls silent, and pushes while one is killed", async () => {
  const origin = join(folder, "work");
  mkdirSync(origin);
  git(origin, "init");
  for (let i = 0; i < 10; i += 1) writeRandom(join(origin, `${i}.bin`), SIZE / 10);
  git(origin, "add", ".");
  git(origin, "commit", "-m", "first");
  git(folder, "clone", "--bare", origin, "repository.git");
  git(join(folder, "repository.git"), "config", "http.receivepack", "true");

  const clone = join(folder, "clone");
  const plain = { env: { GIT_TERMINAL_PROMPT: "0", no_proxy: "*" } };
  await rig.faulty("silent", SIZE / 3, () => run("git", ["clone", "-q", `http://${rig.address("git")}/repository.git`, clone], plain));
  expect(git(clone, "rev-parse", "HEAD")).toBe(git(origin, "rev-parse", "HEAD"));
  git(clone, "fsck", "--full");

  writeRandom(join(clone, "0.bin"), SIZE);
  git(clone, "commit", "-am", "second");
  await rig.faulty("killed", SIZE / 3, () => run("git", ["push", "-q", "origin", "main"], { ...plain, cwd: clone }));
  expect(git(join(folder, "repository.git"), "rev-parse", "main")).toBe(git(clone, "rev-parse", "HEAD"));
  git(join(folder, "repository.git"), "fsck", "--full");
});
