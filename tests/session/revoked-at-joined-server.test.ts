import { type ClusterOptions, dialWith, type JoinAuthority, type Listener, listenWith, systemRuntime } from "@kwik/core";
import { memoryNetwork } from "@kwik/testkit";
import { joinAuthority } from "@kwik/trust";
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";

const CLIENT = `sha256:${"c".repeat(64)}`;
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const CLUSTER: ClusterOptions = {
  ticketSigningKey: privateKey.export({ type: "pkcs8", format: "pem" }),
  ticketVerifyKeys: [publicKey.export({ type: "spki", format: "pem" })],
};

/** Servers of one cluster, each with a list of revoked keys of its own, and a client that shows its certificate to the first of them only. */
class Servers implements AsyncDisposable {
  readonly #network = memoryNetwork();
  readonly #name: string | undefined;
  readonly #listeners: Listener[] = [];

  /** `name` is what `authenticate` calls the client. */
  constructor(name: string | undefined) {
    this.#name = name;
  }

  async serve(): Promise<{ readonly listener: Listener; readonly revoke: () => Promise<void>; readonly isRevoked: Set<string> }> {
    const number = this.#listeners.length + 1;
    const identity = `sha256:${String(number).repeat(64)}`;
    const isRevoked = new Set<string>();
    const tickets = await joinAuthority(CLUSTER, identity);
    const authority: JoinAuthority = {
      isRevoked: (key) => isRevoked.has(key),
      mint: (request) => tickets.mint(request),
      verify: (ticket, expected) => tickets.verify(ticket, expected),
      update: () => Promise.resolve(),
    };
    const tls = { cert: identity, key: "" };
    const identityOf = (cert: string): string => cert;
    const name = this.#name;
    const listener = await listenWith(
      { transport: this.#network.transport, runtime: systemRuntime, agent: "test", tls, identity, authority, identityOf },
      `127.0.0.1:${4900 + number}`,
      { tls: "self-signed", ...(name === undefined ? {} : { authenticate: () => ({ ok: true as const, identity: name }) }) },
    );
    this.#listeners.push(listener);
    const revoke = (): Promise<void> => {
      isRevoked.add(CLIENT);
      return listener.updateCluster(CLUSTER);
    };
    return { listener, revoke, isRevoked };
  }

  dial(): ReturnType<typeof dialWith> {
    const { transport } = this.#network;
    const reticent: typeof transport = {
      ...transport,
      dial: (request) => transport.dial(request.address.port === 4901 ? request : { ...request, clientCertificate: undefined }),
    };
    const url = this.#listeners[0]?.url ?? "";
    return dialWith({ transport: reticent, runtime: systemRuntime, agent: "test" }, url, { credentials: { cert: CLIENT, key: "key" } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) await listener.close();
  }
}

const NAMES = [
  ["by the name that `authenticate` gave it", "alice"],
  ["by its certificate's name", undefined],
] as const;

// spec: TICKET-1
test.each(NAMES)(
  "a client that is revoked, known %s, loses its sessions at the servers that it joined by ticket too, where it showed no certificate",
  async (_, name) => {
    await using servers = new Servers(name);
    const [a, b, c] = [await servers.serve(), await servers.serve(), await servers.serve()];
    await using _client = await servers.dial();
    const atA = await a.listener.accept();
    await atA.addPath(b.listener.address, { identity: b.listener.identity });
    const atB = await b.listener.accept();
    // The ticket for the third is the second's, which has seen none either.
    await atB.addPath(c.listener.address, { identity: c.listener.identity });
    const atC = await c.listener.accept();
    expect([atA, atB, atC].map(({ clientIdentity }) => clientIdentity)).toEqual(Array(3).fill(name ?? CLIENT));
    await c.revoke();
    expect(await atC.closed).toMatchObject({ code: "AUTH_REFUSED" });
    await b.revoke();
    expect(await atB.closed).toMatchObject({ code: "AUTH_REFUSED" });
    expect(a.listener.stats().sessions).toBe(1);
  },
);

test.each(NAMES)(
  "a ticket does not let a client in that is revoked, known %s, though the server that signs has not heard of it",
  async (_, name) => {
    await using servers = new Servers(name);
    const [a, b] = [await servers.serve(), await servers.serve()];
    await using _client = await servers.dial();
    const atA = await a.listener.accept();
    await b.revoke();
    await expect(atA.addPath(b.listener.address, { identity: b.listener.identity })).rejects.toThrow(/revoked/);
    expect(b.listener.stats()).toMatchObject({ sessions: 0, refusals: { revoked: 1 } });
  },
);
