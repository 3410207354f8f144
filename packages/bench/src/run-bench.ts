import { isMet, type Measurement, tableOf } from "./measurement.ts";
import { blocked } from "./measures/blocked.ts";
import { browser } from "./measures/browser.ts";
import { bulk } from "./measures/bulk.ts";
import { dial } from "./measures/dial.ts";
import { echo } from "./measures/echo.ts";
import { fair } from "./measures/fair.ts";
import { flood } from "./measures/flood.ts";
import { get } from "./measures/get.ts";
import { idle } from "./measures/idle.ts";
import { memory } from "./measures/memory.ts";
import { messages } from "./measures/messages.ts";
import { open } from "./measures/open.ts";
import { proxy } from "./measures/proxy.ts";
import { relay } from "./measures/relay.ts";
import { replicas } from "./measures/replicas.ts";
import { tcp } from "./measures/tcp.ts";
import { websocket } from "./measures/websocket.ts";

const BENCHES: Readonly<Record<string, () => Promise<Measurement[]>>> = {
  bulk,
  echo,
  open,
  messages,
  fair,
  memory,
  idle,
  get,
  tcp,
  websocket,
  dial,
  blocked,
  relay,
  replicas,
  browser,
  flood,
  proxy,
};

/** How to say what was measured. */
export interface BenchOptions {
  /** One JSON object on standard output instead of a table. */
  readonly json: boolean;
}

/**
 * Runs one measurement, or all of them, and prints the results on standard output. Answers the exit status: 0 when everything was
 * measured (whether bars were met or not), 1 when a measurement failed, 2 for an unknown name.
 */
export async function runBench(name: string | undefined, options: BenchOptions): Promise<number> {
  const names = name === undefined ? Object.keys(BENCHES) : [name];
  const measurements: Measurement[] = [];
  const failures: { readonly name: string; readonly reason: string }[] = [];
  for (const each of names) {
    const bench = BENCHES[each];
    if (bench === undefined) {
      process.stderr.write(`kwik bench: there is no measurement "${each}"; there are ${Object.keys(BENCHES).join(", ")}\n`);
      return 2;
    }
    if (!options.json) process.stderr.write(`kwik bench: ${each} …\n`);
    try {
      measurements.push(...(await bench()));
    } catch (error) {
      failures.push({ name: each, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  if (options.json) {
    const results = measurements.map((measurement) => ({ ...measurement, met: isMet(measurement) }));
    process.stdout.write(`${JSON.stringify({ measurements: results, failures })}\n`);
  } else {
    process.stdout.write(`${tableOf(measurements)}\n`);
    for (const failure of failures) process.stderr.write(`kwik bench: ${failure.name} failed: ${failure.reason}\n`);
  }
  return failures.length === 0 ? 0 : 1;
}
