import { listen } from "kwik";
import { SessionServer } from "../chaos/load/session-server.ts";
import { StallWatch } from "../chaos/load/stall-watch.ts";
import { TallyBook } from "../chaos/load/tally.ts";
import { reportViolation, serveQuestions } from "../chaos/process/serve-questions.ts";
import { STALL_MS } from "./soak-plan.ts";

const tally = new TallyBook();

await serveQuestions(tally, async () => {
  const watch = new StallWatch(STALL_MS, reportViolation);
  const listener = await listen("127.0.0.1:0", { tls: "self-signed" });
  const server = new SessionServer({ peers: [], seed: 1, tally, watch, onViolation: reportViolation });
  const serving = server.serve(listener);
  return {
    place: async () => ({ address: listener.address, identity: listener.identity }),
    sessions: async () => listener.stats().sessions + server.serving,
    close: async () => {
      await listener.close();
      await serving;
      watch.stop();
    },
  };
});
