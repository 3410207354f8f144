import { DiskWriter } from "../load/disk-writer.ts";
import { SessionClient } from "../load/session-client.ts";
import { StallWatch } from "../load/stall-watch.ts";
import { TallyBook } from "../load/tally.ts";
import { reportViolation, serveQuestions } from "./serve-questions.ts";

/** What a client process is told as its argument, in JSON. */
export interface ClientArgument {
  /** "host:port" of each server. */
  readonly servers: readonly string[];
  readonly ca: string;
  readonly graceMs: number;
  readonly stallMs: number;
  /** Where it writes files. */
  readonly folder: string;
  readonly seed: number;
}

/** How much a client does at a time. */
export interface LoadRequest {
  readonly sessions: number;
  /** In each session. */
  readonly streams: number;
  readonly maxLifeMs: number;
}

const { servers, ca, graceMs, stallMs, folder, seed } = JSON.parse(process.argv[2] ?? "{}") as ClientArgument;
const tally = new TallyBook();

await serveQuestions(tally, async () => {
  const watch = new StallWatch(stallMs, reportViolation);
  const disk = new DiskWriter(folder);
  let clients: SessionClient[] = [];
  let running: Promise<unknown> = Promise.resolve();
  return {
    load: async ({ sessions, streams, maxLifeMs }: LoadRequest) => {
      clients = Array.from(
        { length: sessions },
        (_, index) =>
          new SessionClient({
            ...{ servers, ca, graceMs, streams, maxLifeMs, disk, tally, watch },
            seed: seed * 100 + index,
            onViolation: reportViolation,
          }),
      );
      running = Promise.all(clients.map((client) => client.run()));
    },
    /** Resolves when everything has ended. */
    stop: async () => {
      for (const client of clients) client.stop();
      await running;
    },
    fillDisk: () => disk.fill(),
    emptyDisk: () => disk.empty(),
    close: async () => watch.stop(),
  };
});
