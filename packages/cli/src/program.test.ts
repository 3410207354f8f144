import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runProgram } from "./program.ts";

let said = "";
beforeEach(() => {
  said = "";
  const collect = (text: unknown): boolean => {
    said += String(text);
    return true;
  };
  vi.spyOn(process.stderr, "write").mockImplementation(collect);
  vi.spyOn(process.stdout, "write").mockImplementation(collect);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const listen = ["--listen", "127.0.0.1:0"];
const file = "kwik://127.0.0.1:9/a";

test.each([
  [["fetch"], "unknown command"],
  [["get"], "missing required argument"],
  [["get", "ftp://127.0.0.1/a"], "write kwik://HOST:PORT/PATH"],
  [["get", "http://127.0.0.1/a"], "name them with --from"],
  [["get", "http://127.0.0.1/", "--from", file], "names no file"],
  [["get", "https://127.0.0.1/a", "--from", file], "is no http:// URL"],
  [["gateway", ...listen, "--origin", "films.example=http://a"], "is no origin"],
  [["gateway", ...listen, "--origin", "a:80=http://b", "--origin-min-bytes", "1000"], "it is at least 524288"],
  [["get", "kwik://127.0.0.1:9"], "names no file"],
  [["get", file, "--pin", "abc"], "not an identity"],
  [["get", file, "--insecure", "--pin", `sha256:${"0".repeat(64)}`], "leave one of them out"],
  [["get", file, "--max-paths", "0"], "whole number"],
  [["get", file, "--json", "-o", "-"], "standard output"],
  [["get", file, "--transport", "udp"], "there are quic, tcp and websocket"],
  [["get", "kwik+udp://127.0.0.1:9/a"], "write kwik://HOST:PORT/PATH"],
  [["get", file, "--no-such-flag"], "unknown option"],
  [["serve", "."], "--listen"],
  [["serve", ".", ...listen, "--rate", "fast"], "is not a rate"],
  [["serve", ".", ...listen, "--cert", "a.pem"], "belong together"],
  [["serve", ".", ...listen, "--self-signed", "--cert", "a.pem", "--key", "a.key"], "--self-signed"],
  [["serve", ".", ...listen, "--peer", "a:1"], "--cluster"],
  [["serve", ".", "--listen", "nonsense:port"], "not a server address"],
  [["serve", ".", ...listen, "--allow-origin", "https://app.example"], "needs --web"],
  [["serve", ".", ...listen, "--web", "--allow-origin", "app.example"], "is not an origin"],
  [["serve", ".", ...listen, "--web", "--allow-origin", "https://app.example/page"], "is not an origin"],
  [["cluster", "issue", "."], "--host"],
])("%j is refused with status 2 and says why", async (args, words) => {
  expect(await runProgram(args)).toBe(2);
  expect(said).toContain(words);
  expect(said).toMatch(/^kwik: /);
});

test.each([[["--help"]], [["get", "--help"]], [["serve", "--help"]], [["cluster", "issue", "--help"]], [["--version"]]])(
  "%j answers with status 0",
  async (args) => {
    expect(await runProgram(args)).toBe(0);
    expect(said).toMatch(/^(Usage: kwik|kwik \d)/);
  },
);

test("what cannot be read locally has status 8", async () => {
  expect(await runProgram(["serve", "no-such-directory", ...listen])).toBe(8);
  expect(await runProgram(["get", file, "--ca", "no-such-file"])).toBe(8);
  expect(said).toContain("no-such-file");
});
