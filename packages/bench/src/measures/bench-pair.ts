import { availableParallelism } from "node:os";
import { BenchProcess } from "../process/bench-process.ts";

/** Over what kwik runs, and what it is compared with: the bare QUIC engine, a TLS connection of Node's, or one of `ws` over TLS. */
export type PairKind = "quic" | "tcp" | "websocket";

const BARE = {
  quic: { server: "raw-server", client: "raw-client" },
  tcp: { server: "tls-server", client: "tls-client" },
  websocket: { server: "ws-server", client: "ws-client" },
} as const;

/** A server and a client process of kwik, and the same without kwik, side by side. */
export class BenchPair implements Disposable {
  readonly kwik: BenchProcess;
  readonly raw: BenchProcess;
  readonly #kwikServer: BenchProcess;
  readonly #rawServer: BenchProcess;

  private constructor(kwikServer: BenchProcess, kwik: BenchProcess, rawServer: BenchProcess, raw: BenchProcess) {
    this.#kwikServer = kwikServer;
    this.kwik = kwik;
    this.#rawServer = rawServer;
    this.raw = raw;
  }

  static async start(kind: PairKind = "quic"): Promise<BenchPair> {
    const started: BenchProcess[] = [];
    try {
      const begin = async (...how: Parameters<typeof BenchProcess.start>): Promise<BenchProcess> => {
        const one = await BenchProcess.start(...how);
        started.push(one);
        return one;
      };
      const kwikServer = await begin("kwik-server", { transport: kind });
      const kwik = await begin("kwik-client", { url: kwikServer.ready });
      const rawServer = await begin(BARE[kind].server);
      const raw = await begin(BARE[kind].client, { port: rawServer.ready });
      return new BenchPair(kwikServer, kwik, rawServer, raw);
    } catch (error) {
      for (const one of started) one[Symbol.dispose]();
      throw error;
    }
  }

  /** Runs one command on both in turns, so that what else the machine does hits both; answers what each gave. */
  async inTurns<T>(rounds: number, command: string, argument: object): Promise<{ readonly kwik: T[]; readonly raw: T[] }> {
    const results: { readonly kwik: T[]; readonly raw: T[] } = { kwik: [], raw: [] };
    for (let round = 0; round < rounds; round += 1) {
      results.raw.push(await this.raw.ask<T>(command, argument));
      results.kwik.push(await this.kwik.ask<T>(command, argument));
    }
    return results;
  }

  /** Gives servers one processor and clients another, so that the scheduler has no choice. Answers why not, where that cannot be. */
  pinEnds(): string | undefined {
    if (availableParallelism() < 2) return "needs two processors";
    try {
      for (const server of [this.#kwikServer, this.#rawServer]) server.pinTo(1);
      for (const client of [this.kwik, this.raw]) client.pinTo(0);
      return undefined;
    } catch {
      return "needs taskset of util-linux";
    }
  }

  /** Processor time of both ends so far, in seconds. Unlike a rate it is hardly changed by what else the machine does. */
  async processorTime(): Promise<{ readonly kwik: number; readonly raw: number }> {
    const [kwikServer, kwik, rawServer, raw] = await Promise.all(this.#all.map((one) => one.ask<number>("cpu")));
    return { kwik: (kwikServer ?? 0) + (kwik ?? 0), raw: (rawServer ?? 0) + (raw ?? 0) };
  }

  get #all(): BenchProcess[] {
    return [this.#kwikServer, this.kwik, this.#rawServer, this.raw];
  }

  [Symbol.dispose](): void {
    for (const one of this.#all) one[Symbol.dispose]();
  }
}
