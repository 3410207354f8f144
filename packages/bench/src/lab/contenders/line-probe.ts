import type { ChildProcess } from "node:child_process";
import type { LabNetwork } from "../network/lab-network.ts";

const INTERVAL_S = "0.05";

/** Round-trip times of a line while something else runs over it, in milliseconds. */
export interface ProbedRoundTrip {
  readonly worstMs: number;
  readonly usualMs: number;
}

/** A ping on each line beside what is measured: it sees the queue that this makes. */
export class LineProbe {
  readonly #children: readonly ChildProcess[];
  readonly #texts: string[];

  constructor(network: LabNetwork, addresses: readonly string[]) {
    this.#texts = addresses.map(() => "");
    this.#children = addresses.map((address, index) => {
      const child = network.spawn("client", ["ping", "-n", "-i", INTERVAL_S, address], { stdio: ["ignore", "pipe", "ignore"] });
      child.stdout?.on("data", (data: Buffer) => (this.#texts[index] = `${this.#texts[index] ?? ""}${data.toString()}`));
      child.on("error", () => undefined);
      return child;
    });
  }

  async stop(): Promise<readonly ProbedRoundTrip[]> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const closed = new Promise((resolve) => child.once("close", resolve));
        child.kill("SIGKILL");
        await closed;
      }),
    );
    return this.#texts.map(parsePing);
  }
}

/** What the lines of `ping` say. */
export function parsePing(text: string): ProbedRoundTrip {
  const times = [...text.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1])).sort((a, b) => a - b);
  return { worstMs: times.at(-1) ?? 0, usualMs: times[Math.floor((times.length - 1) / 2)] ?? 0 };
}
