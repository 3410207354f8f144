import { parseAddress } from "@kwik/core";
import { isQuicAvailable } from "@kwik/transport-quic";
import { expect } from "vitest";
import { addressOf, type GatewayProcess, startGateway, type ProxyProcess } from "../e2e/gateway-process.ts";
import { type Running, startKwik } from "../e2e/kwik-process.ts";
import { type Line, tcpLine, udpLine } from "./line.ts";
import { eventually } from "./program.ts";

/** How a line is cut: see `Line.cut`. */
export type Fault = "silent" | "killed";

/** A `kwik gateway` and a `kwik proxy`, in processes of their own, with two lines between them that can be cut: one over UDP and one over TCP. */
export class Rig implements AsyncDisposable {
  readonly gateway: GatewayProcess;
  readonly lines: readonly [Line, Line];
  readonly #proxy: ProxyProcess;
  readonly #forwards: Readonly<Record<string, string>>;

  private constructor(
    gateway: GatewayProcess,
    lines: readonly [Line, Line],
    proxy: ProxyProcess,
    forwards: Readonly<Record<string, string>>,
  ) {
    this.gateway = gateway;
    this.lines = lines;
    this.#proxy = proxy;
    this.#forwards = forwards;
  }

  /** `targets` are ports of this machine by name, each of which gets a port of the proxy. */
  static async start(targets: Readonly<Record<string, number>> = {}): Promise<Rig> {
    const gateway = await startGateway("--allow", "127.0.0.0/8:*", "--allow", "localhost:*");
    const { port } = parseAddress(gateway.url);
    const lines = [await (isQuicAvailable().ok ? udpLine(port) : tcpLine(port)), await tcpLine(port)] as const;
    const names = Object.keys(targets);
    const forwards = names.flatMap((name) => ["-L", `0:127.0.0.1:${targets[name]}`]);
    const flags = [
      "--pin",
      gateway.identity,
      "--outage",
      "30",
      "--socks5",
      "0",
      "--http",
      "0",
      "--metrics",
      "127.0.0.1:0",
      ...forwards,
      "--json",
    ];
    const running = startKwik(["proxy", ...lines.map(({ url }) => url), ...flags]);
    const { listeners } = JSON.parse(await firstLine(running)) as Pick<ProxyProcess, "listeners">;
    const opened = listeners.filter(({ kind }) => kind === "forward").map(({ address }) => address);
    const rig = new Rig(
      gateway,
      lines,
      { ...running, listeners },
      Object.fromEntries(names.map((name, index) => [name, opened[index] as string])),
    );
    await rig.#isWhole();
    return rig;
  }

  /** "127.0.0.1:port" of the proxy that leads to a target. */
  address(target: string): string {
    return this.#forwards[target] as string;
  }

  port(target: string): number {
    return parseAddress(this.address(target)).port;
  }

  /** "127.0.0.1:port" of a listener. */
  listener(kind: "socks5" | "http"): string {
    return addressOf(this.#proxy, kind);
  }

  /**
   * Does some work, and cuts the busier line in the middle of it: as soon as `afterBytes` have passed. Fails if the work was over by then, or needed the other line no
   * more. Both lines are there again afterwards.
   */
  async faulty<T>(fault: Fault, afterBytes: number, work: () => Promise<T>): Promise<T> {
    const before = this.lines.map(({ bytes }) => bytes);
    const passed = (): number[] => this.lines.map(({ bytes }, index) => bytes - (before[index] as number));
    let atCut: number[] | undefined;
    let cut: Line | undefined;
    const onBytes = (): void => {
      const [first = 0, second = 0] = passed();
      if (cut !== undefined || first + second < afterBytes) return;
      atCut = [first, second];
      cut = this.lines[first > second ? 0 : 1];
      cut.cut(fault);
    };
    for (const line of this.lines) line.onBytes = onBytes;
    try {
      const result = await work();
      const other = this.lines.findIndex((line) => line !== cut);
      const after = (passed()[other] ?? 0) - (atCut?.[other] ?? 0);
      expect({ cutAt: atCut, passed: passed(), wasCut: cut !== undefined, wentOn: after > 0 }).toMatchObject({
        wasCut: true,
        wentOn: true,
      });
      return result;
    } finally {
      for (const line of this.lines) line.onBytes = undefined;
      cut?.heal();
      await this.#isWhole();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of [this.#proxy, this.gateway]) child.kill("SIGTERM");
    await Promise.all([this.#proxy.outcome, this.gateway.outcome]);
    for (const line of this.lines) line.close();
  }

  /** Both lines are in use. */
  async #isWhole(): Promise<void> {
    const metrics = /metrics at (\S+)/.exec(this.#proxy.said())?.[1] as string;
    await eventually(async () => (await (await fetch(metrics)).text()).includes('kwik_paths{state="active"} 2\n'));
  }
}

function firstLine(running: Running): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    running.child.stdout?.on("data", (data: Buffer) => {
      said += data.toString();
      const end = said.indexOf("\n");
      if (end >= 0) resolve(said.slice(0, end));
    });
    void running.outcome.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
  });
}
