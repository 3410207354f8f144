import { BenchProcess } from "../process/bench-process.ts";

/** A server and a client process of kwik, and the same of the bare engine, side by side. */
export class EnginePair implements Disposable {
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

  static async start(): Promise<EnginePair> {
    const started: BenchProcess[] = [];
    try {
      const begin = async (...how: Parameters<typeof BenchProcess.start>): Promise<BenchProcess> => {
        const one = await BenchProcess.start(...how);
        started.push(one);
        return one;
      };
      const kwikServer = await begin("kwik-server");
      const kwik = await begin("kwik-client", { url: kwikServer.ready });
      const rawServer = await begin("raw-server");
      const raw = await begin("raw-client", { port: rawServer.ready });
      return new EnginePair(kwikServer, kwik, rawServer, raw);
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
