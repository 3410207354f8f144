import { BenchProcess } from "../process/bench-process.ts";

/** A server and a client process of kwik, and the same of the bare engine, side by side. */
export class EnginePair implements Disposable {
  readonly kwik: BenchProcess;
  readonly raw: BenchProcess;
  readonly #all: readonly BenchProcess[];

  private constructor(kwik: BenchProcess, raw: BenchProcess, all: readonly BenchProcess[]) {
    this.kwik = kwik;
    this.raw = raw;
    this.#all = all;
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
      return new EnginePair(kwik, raw, started);
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

  [Symbol.dispose](): void {
    for (const one of this.#all) one[Symbol.dispose]();
  }
}
