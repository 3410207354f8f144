import { Gateway, Relay, type RelayStats } from "@kwik/gateway";
import { listen, type Listener } from "kwik";

/** A gateway of a test. */
export interface TestGateway {
  readonly url: string;
  readonly identity: string;
  /** Names that were asked for. */
  readonly resolved: readonly string[];
  /** Sessions since the beginning. */
  sessions(): number;
  close(): Promise<void>;
}

/** A gateway in whose network every name is this machine, but those below "invalid"; it allows inner.example and this machine. */
export async function startGateway(): Promise<TestGateway> {
  const listener = await listen("127.0.0.1:0", { tls: "self-signed" });
  const resolved: string[] = [];
  const gateway = new Gateway({
    allow: ["127.0.0.0/8:*", "inner.example:*", "*.invalid:*"],
    resolve: async (host) => {
      resolved.push(host);
      if (host.endsWith(".invalid")) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
      return ["127.0.0.1"];
    },
  });
  void serveAll(gateway, listener);
  const sessions = (): number => listener.stats().acceptedSessions;
  return { url: listener.url, identity: listener.identity, resolved, sessions, close: () => listener.close() };
}

/** A relay of a test. */
export interface TestRelay {
  /** With its key. */
  readonly address: string;
  stats(): RelayStats;
  close(): Promise<void>;
}

/** A relay that asks for a token; in its network the name `home` is this machine. */
export async function startRelay(home: string, token: string): Promise<TestRelay> {
  const listener = await listen("127.0.0.1:0", {
    tls: "self-signed",
    authenticate: ({ token: given }) => (given === token ? { ok: true, identity: "test" } : { ok: false, reason: "another token" }),
  });
  const relay = new Relay({ homes: [`${home}:*`, "127.0.0.1:*"], resolve: () => Promise.resolve(["127.0.0.1"]) });
  void serveAll(new Gateway({ relay }), listener);
  return { address: `${listener.url}#${listener.identity}`, stats: () => relay.stats(), close: () => listener.close() };
}

async function serveAll(gateway: Gateway, listener: Listener): Promise<void> {
  for await (const session of listener) void gateway.serve(session, { name: "test", source: undefined }).catch(() => undefined);
}
