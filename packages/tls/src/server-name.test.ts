import { expect, test } from "vitest";
import { serverNameOf } from "./server-name.ts";

test("a name is asked for in the form that DNS has; an address, with or without its zone, is none", () => {
  expect(["Example.COM.", "bücher.example", "127.0.0.1", "::1", "fe80::1%lo"].map(serverNameOf)).toEqual([
    "example.com",
    "xn--bcher-kva.example",
    "",
    "",
    "",
  ]);
});
