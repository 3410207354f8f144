import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { fuzz, fuzzBudget, type FuzzCorpus, pieces } from "@kwik/testkit";
import { afterAll, expect, test } from "vitest";
import { parseRate } from "./byte-size.ts";
import { flagsWithConfig } from "./config-file.ts";
import { CommandError } from "./exit-status.ts";
import { encodeLine, FileRequestError, parseAnswer, parseEntry, parseRequest } from "./files/file-protocol.ts";
import { LineReader } from "./files/line-reader.ts";
import { readTokens } from "./gateway/client-tokens.ts";
import { MetricText } from "./metrics/metric-text.ts";
import { parsePeer } from "./serve/session-peers.ts";
import { parseTarget } from "./target.ts";

const corpora = JSON.parse(readFileSync(new URL("fuzz-corpus.json", import.meta.url), "utf8")) as Readonly<Record<string, FuzzCorpus>>;
const corpus = (name: string): FuzzCorpus => corpora[name] ?? {};
const folder = mkdtempSync(join(tmpdir(), "kwik-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("what a command line names: read, or an error for people", () =>
  fuzz(
    {
      corpus: corpus("arguments"),
      read: (input) => {
        const text = new TextDecoder().decode(input);
        for (const read of [parseTarget, parsePeer, parseRate]) {
          try {
            read(text);
          } catch (error) {
            if (!(error instanceof CommandError)) throw error;
          }
        }
      },
    },
    fuzzBudget(),
  ));

test("the page of metrics has a line for each value, whatever labels are called: what a client says of itself adds none", () => {
  const line = /^kwik_clients\{program="(?:[^"\\\n]|\\["\\n])*",kind="x"\} 7$/;
  return fuzz(
    {
      corpus: { plain: { text: "curl/8" }, quote: { text: 'a"} 1\nkwik_up 0\\' }, lines: { text: "a\r\n\n\\n" } },
      read: (input) => {
        const program = new TextDecoder().decode(input);
        const text = new MetricText({ program }).gauge("kwik_clients", "Clients.", [[{ kind: "x" }, 7]]).toString();
        const lines = text.split("\n");
        expect(lines).toHaveLength(4);
        expect(lines[2]).toMatch(line);
        expect(lines[3]).toBe("");
      },
    },
    fuzzBudget(),
  );
});

test("files of settings and tokens: read, or an error for people", () => {
  const file = join(folder, "input");
  const command = new Command("proxy").option("--config <file>").option("--socks <address>").option("--forward <spec>").option("--quiet");
  command.parse(["--config", file], { from: "user" });
  return fuzz(
    {
      corpus: corpus("files"),
      read: async (input) => {
        writeFileSync(file, input);
        for (const read of [() => flagsWithConfig(command), () => readTokens(file)]) {
          await read().catch((error: unknown) => {
            if (!(error instanceof CommandError)) throw error;
          });
        }
      },
    },
    fuzzBudget(),
  );
});

test("lines of the file protocol: the same however they are cut, and read or refused with its own error", () => {
  const linesOf = async (parts: readonly Uint8Array[]): Promise<string[]> => {
    const left = [...parts];
    const reader = new LineReader({ read: async () => left.shift() ?? null });
    const lines: string[] = [];
    for (let line = await reader.line(); line !== undefined; line = await reader.line()) lines.push(line);
    return lines;
  };
  return fuzz(
    {
      corpus: corpus("lines"),
      read: async (input, cut) => {
        const lines = await linesOf([input]);
        expect(await linesOf(pieces(input, cut))).toEqual(lines);
        for (const line of lines) {
          for (const parse of [parseRequest, parseAnswer, parseEntry]) {
            try {
              const value = parse(line);
              expect(parse(new TextDecoder().decode(encodeLine(value)))).toEqual(value);
            } catch (error) {
              if (!(error instanceof FileRequestError)) throw error;
            }
          }
        }
      },
    },
    fuzzBudget(),
  );
});
