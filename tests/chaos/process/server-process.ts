import { readFileSync } from "node:fs";
import { listen } from "kwik";
import { loadClusterFile } from "@kwik/trust";
import { patternStore } from "../load/pattern-content.ts";
import { SessionServer } from "../load/session-server.ts";
import { StallWatch } from "../load/stall-watch.ts";
import { TallyBook } from "../load/tally.ts";
import { reportViolation, serveQuestions } from "./serve-questions.ts";

/** What a server process is told as its argument, in JSON. */
export interface ServerArgument {
  /** "host:port" */
  readonly address: string;
  readonly peers: readonly string[];
  readonly certFile: string;
  readonly keyFile: string;
  readonly clusterFile: string;
  readonly graceMs: number;
  readonly stallMs: number;
  readonly seed: number;
}

const { address, peers, certFile, keyFile, clusterFile, graceMs, stallMs, seed } = JSON.parse(process.argv[2] ?? "{}") as ServerArgument;
const tally = new TallyBook();

await serveQuestions(tally, async () => {
  const watch = new StallWatch(stallMs, reportViolation);
  const listener = await listen(address, {
    tls: { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") },
    cluster: await loadClusterFile(clusterFile),
    content: patternStore,
    limits: { graceMs },
    onNotice: () => tally.add("notice"),
  });
  const server = new SessionServer({ peers, seed, tally, watch, onViolation: reportViolation });
  const serving = server.serve(listener);
  return {
    sessions: async () => ({ ...listener.stats(), serving: server.serving, waiting: watch.size }),
    drain: async ({ graceMs: drainMs }: { graceMs: number }) => {
      await listener.close({ graceMs: drainMs, replacements: peers });
      await serving;
    },
    close: async () => {
      await listener.close();
      await serving;
      watch.stop();
    },
  };
});
