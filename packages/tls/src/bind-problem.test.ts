import { expect, test } from "vitest";
import { bindCode, bindProblem } from "./bind-problem.ts";

test("an address that cannot be bound has its reason in words", () => {
  const words = ["EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "EPERM", "EMFILE"].map((code) =>
    bindProblem(Object.assign(new Error("Node's text"), { code })),
  );
  expect(words).toEqual([
    "the address is already in use",
    "this machine has no such address",
    "this port needs more rights",
    "this port needs more rights",
    "Node's text",
  ]);
});

test("so it has where only the system's own words are known", () => {
  const words = [
    "Address already in use (os error 98)",
    "Can't assign requested address (os error 49)",
    "Cannot assign requested address (os error 99)",
    "Permission denied (os error 13)",
    "Too many open files (os error 24)",
  ].map((message) => bindProblem({ message }));
  expect(words).toEqual([
    "the address is already in use",
    "this machine has no such address",
    "this machine has no such address",
    "this port needs more rights",
    "Too many open files (os error 24)",
  ]);
});

test("Node's code is found by the words alone", () => {
  expect(bindCode({ message: "bind: Address already in use (os error 98)" })).toBe("EADDRINUSE");
  expect(bindCode({ message: "bind: Permission denied" })).toBe("EACCES");
  expect(bindCode({ message: "out of memory" })).toBeUndefined();
});
