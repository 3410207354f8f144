import { expect, test } from "vitest";
import { bindProblem } from "./bind-problem.ts";

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
