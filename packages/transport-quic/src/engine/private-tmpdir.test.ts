import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, expect, test } from "vitest";
import { withoutAuthoritiesFile, withPrivateTmpdir } from "./private-tmpdir.ts";

const outer = process.env["SSL_CERT_FILE"];
afterEach(() => {
  if (outer === undefined) delete process.env["SSL_CERT_FILE"];
  else process.env["SSL_CERT_FILE"] = outer;
});

test("B11: the engine writes its files where only this user can look", () => {
  const directory = withPrivateTmpdir(() => process.env["TMPDIR"] ?? "");
  expect(statSync(directory).mode & 0o777).toBe(0o700);
});

test("a file of authorities that the environment names is empty for the call, and as before after it", () => {
  process.env["SSL_CERT_FILE"] = "/etc/authorities.pem";
  const [path, text, directory] = withoutAuthoritiesFile(() => {
    const file = process.env["SSL_CERT_FILE"] ?? "";
    return [file, readFileSync(file, "utf8"), process.env["TMPDIR"]];
  });
  expect(text).toBe("");
  expect(dirname(path ?? "")).toBe(directory);
  expect(process.env["SSL_CERT_FILE"]).toBe("/etc/authorities.pem");
});

test("it is as before after a call that throws too", () => {
  process.env["SSL_CERT_FILE"] = "/etc/authorities.pem";
  const fails = (): void => {
    throw new Error("no");
  };
  expect(() => withoutAuthoritiesFile(fails)).toThrow("no");
  expect(process.env["SSL_CERT_FILE"]).toBe("/etc/authorities.pem");
});

test("an environment that names none is not touched: variables are never removed under the feet of native threads", () => {
  delete process.env["SSL_CERT_FILE"];
  expect(withoutAuthoritiesFile(() => process.env["SSL_CERT_FILE"])).toBeUndefined();
});
