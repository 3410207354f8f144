import { Agent, type AgentOptions } from "node:http";
import type { Duplex } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import { isIP, type Socket } from "node:net";
import { KwikError } from "@kwik/core";
import type { NameResolver } from "../allow-list.ts";
import { type Connection, connectTarget } from "../connect-target.ts";
import { within } from "../within.ts";
import type { OriginLimits } from "./origin-limits.ts";
import type { OriginRule } from "./origin-rule.ts";
import { RangeTurns } from "./range-turns.ts";

export interface OriginPlaceOptions {
  readonly rule: OriginRule;
  readonly limits: OriginLimits;
  readonly resolve: NameResolver;
  /** Whom to believe at https origins, PEM. Default: the authorities of Node. */
  readonly ca: string | undefined;
}

/** Makes connections to one origin: for tunnels, and kept ones for ranges. The operator named the place, so no list is asked. */
export class OriginPlace {
  /** For ranges. */
  readonly agent: Agent;
  readonly rule: OriginRule;
  /** Who may use the agent next. */
  readonly turns: RangeTurns;
  readonly #options: OriginPlaceOptions;

  constructor(options: OriginPlaceOptions) {
    this.rule = options.rule;
    this.#options = options;
    this.turns = new RangeTurns(options.limits.maxRangeConnections, options.limits.maxRangesPerSession);
    this.agent = new PlaceAgent(
      { keepAlive: true, maxSockets: options.limits.maxRangeConnections, timeout: options.limits.rangeTimeoutMs },
      () => this.connect(options.limits.rangeTimeoutMs, new AbortController().signal),
    );
  }

  /** Never rejects. */
  async connect(timeoutMs: number, signal: AbortSignal): Promise<Connection> {
    const { host, port } = this.rule.place;
    const start = performance.now();
    const restMs = (): number => Math.max(1, timeoutMs - (performance.now() - start));
    let ips: readonly string[] | undefined = [host];
    if (isIP(host) === 0) {
      try {
        ips = await within(this.#options.resolve(host), timeoutMs, signal);
      } catch {
        return { ok: false, refusal: "name-not-found", reason: `the origin ${host} does not resolve` };
      }
    }
    if (ips === undefined) return { ok: false, refusal: "timed-out", reason: `the origin ${host} did not resolve within ${timeoutMs} ms` };
    const connection = await connectTarget({ ips, port }, restMs(), signal);
    return connection.ok && this.rule.isTls ? this.#secured(connection.socket, restMs(), signal) : connection;
  }

  close(): void {
    this.agent.destroy();
  }

  #secured(socket: Socket, timeoutMs: number, signal: AbortSignal): Promise<Connection> {
    const { host } = this.rule.place;
    const { ca } = this.#options;
    return new Promise((resolve) => {
      const secure = tlsConnect({
        socket,
        host,
        ALPNProtocols: ["http/1.1"],
        ...(isIP(host) === 0 ? { servername: host } : {}),
        ...(ca === undefined ? {} : { ca }),
      });
      // The wrapped socket ends with the one around it.
      socket.on("error", () => undefined);
      const finish = (connection: Connection): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        secure.off("error", onError);
        if (!connection.ok) secure.on("error", () => undefined).destroy();
        resolve(connection);
      };
      const fail = (refusal: "timed-out" | "failed", reason: string): void => finish({ ok: false, refusal, reason });
      const onError = (error: Error): void => fail("failed", `no TLS with the origin ${host}: ${error.message}`);
      const onAbort = (): void => fail("failed", "it was given up");
      const timer = setTimeout(() => fail("timed-out", `no TLS with the origin ${host} in time`), timeoutMs);
      signal.addEventListener("abort", onAbort, { once: true });
      secure.once("secureConnect", () => finish({ ok: true, socket: secure }));
      secure.on("error", onError);
      if (signal.aborted) onAbort();
    });
  }
}

/** Keeps connections that are made elsewhere. */
class PlaceAgent extends Agent {
  readonly #connect: () => Promise<Connection>;

  constructor(options: AgentOptions, connect: () => Promise<Connection>) {
    super(options);
    this.#connect = connect;
  }

  override createConnection(_options: unknown, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    void this.#connect().then((connection) => {
      // Node looks at the error first.
      if (connection.ok) callback?.(null, connection.socket);
      else callback?.(new KwikError("UNREACHABLE", connection.reason), undefined as unknown as Duplex);
    });
    return undefined;
  }
}
