// One process of `kwik serve --processes`: does what its parent says, and ends with it.
import { exitStatusOf, ExitStatus, sentenceOf } from "../../exit-status.ts";
import { Interruption } from "../../interruption.ts";
import { serveDirectory } from "../directory-server.ts";
import type { FromProcess, StartMessage, ToProcess } from "./process-message.ts";
import { SessionSpread } from "./session-spread.ts";

/** Between two reports of how many sessions there are, in milliseconds. */
const REPORT_MS = 50;

const spread = new SessionSpread(() => performance.now());
let sessions = 0;
let isReporting = false;

using interruption = new Interruption();
process.once("disconnect", () => process.exit(ExitStatus.interrupted));
const start = await new Promise<StartMessage>((resolve) => process.once("message", resolve));
process.on("message", (message: ToProcess) => {
  if (message.kind === "others") spread.update(message.others);
});
process.exitCode = await serve(start);
process.exit();

async function serve({ dir, flags, tls }: StartMessage): Promise<ExitStatus> {
  const log = (text: string): void => void process.stderr.write(`kwik (${flags.name ?? ""}): ${text}\n`);
  try {
    await serveDirectory(dir, flags, {
      tls,
      signal: interruption.signal,
      log,
      redirect: () => spread.choose(sessions),
      onSessions: report,
      onReady: ({ address, url, identity, certificate }) => tell({ kind: "ready", address, url, identity, certificate }),
    });
    return ExitStatus.done;
  } catch (error) {
    const status = exitStatusOf(error);
    await tell({ kind: "failed", status, sentence: sentenceOf(error) });
    return status;
  }
}

function report(count: number): void {
  sessions = count;
  if (isReporting) return;
  isReporting = true;
  setTimeout(() => {
    isReporting = false;
    void tell({ kind: "load", sessions });
  }, REPORT_MS).unref();
}

/** Resolves when it is on its way, or nobody is there to hear it. */
function tell(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve());
    else resolve();
  });
}
