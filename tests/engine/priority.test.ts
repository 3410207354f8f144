import { afterAll, afterEach, expect, test } from "vitest";
import { nextMessage, SERVER_ADDRESS, TwoHosts } from "./two-hosts.ts";

const LINE_MEGABITS = 20;
const LINE_BYTES_PER_MS = (LINE_MEGABITS * 1e6) / 8000;
const RUN_MS = 4_000;
const ANSWER_MS = 20_000;

const made = TwoHosts.make();

afterEach(() => {
  if (typeof made !== "string") made.stopProcesses();
});

afterAll(() => {
  if (typeof made !== "string") made.remove();
});

/** Limits what the server sends, or says why that is not possible here. */
function shape(hosts: TwoHosts): string | undefined {
  try {
    const shaper = ["tbf", "rate", `${LINE_MEGABITS}mbit`, "burst", "10000", "limit", "60000"];
    hosts.tc("server", "qdisc", "replace", "dev", hosts.device("server"), "root", ...shaper);
    return undefined;
  } catch (error) {
    return `this system cannot shape a line (tc): ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
  }
}

for (const transport of ["quic", "tcp"]) {
  // spec: STREAM-9
  test(`over ${transport}, on a line of 20 Mbit/s, a download of high priority has most of it, and the low one goes on`, async (context) => {
    const reason = typeof made === "string" ? made : shape(made);
    if (reason !== undefined || typeof made === "string") return context.skip(reason);
    const server = made.start("server", "./priority-server.ts");
    const isReady = (message: unknown): message is { port: number; identity: string } => (message as { port?: number }).port !== undefined;
    const { port, identity } = await nextMessage(server, isReady, ANSWER_MS);
    const client = made.start("client", "./priority-client-process.ts", {
      TEST_URL: `kwik+${transport}://${SERVER_ADDRESS}:${port}`,
      TEST_PIN: identity,
      TEST_MS: String(RUN_MS),
    });
    const isAny = (message: unknown): message is { low?: number; high?: number; failure?: string } => message !== undefined;
    const { low = 0, high = 0, failure } = await nextMessage(client, isAny, ANSWER_MS);
    expect(failure).toBeUndefined();
    process.stderr.write(`priorities over ${transport}: high ${high} bytes, low ${low} bytes in ${RUN_MS} ms\n`);
    expect(low + high).toBeGreaterThan(0.7 * RUN_MS * LINE_BYTES_PER_MS);
    expect(low + high).toBeLessThan(1.1 * RUN_MS * LINE_BYTES_PER_MS);
    expect(high / low).toBeGreaterThan(5);
    expect(low).toBeGreaterThan(0);
  }, 60_000);
}
