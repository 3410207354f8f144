import { readFileSync } from "node:fs";
import { isKwikError } from "@kwik/core";
import { fuzz, fuzzBudget, type FuzzCorpus } from "@kwik/testkit";
import { test } from "vitest";
import { parseRouteRules, RouteTable } from "./route-rules.ts";

const corpus = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as FuzzCorpus;

test("rules of KWIK_ROUTE: read and asked, or INVALID_ARGUMENT", () =>
  fuzz(
    {
      corpus,
      read: (input) => {
        const text = new TextDecoder().decode(input);
        try {
          new RouteTable(parseRouteRules(text)).find("db.example.", 5432);
        } catch (error) {
          if (!isKwikError(error) || error.code !== "INVALID_ARGUMENT") throw error;
        }
      },
    },
    fuzzBudget(),
  ));
