import { Gateway } from "@kwik/gateway";
import { listen } from "kwik";

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
  void (async () => {
    for await (const session of listener) void gateway.serve(session, { name: "test", source: undefined }).catch(() => undefined);
  })();
  const sessions = (): number => listener.stats().acceptedSessions;
  return { url: listener.url, identity: listener.identity, resolved, sessions, close: () => listener.close() };
}
