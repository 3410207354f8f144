import { dialWith, type JoinAuthority, type Listener, type ListenOptions, listenWith, systemRuntime } from "@kwik/core";
import { memoryNetwork } from "@kwik/testkit";
import { expect, test } from "vitest";

const SERVER = `sha256:${"5".repeat(64)}`;
const CLIENT = `sha256:${"c".repeat(64)}`;
const OTHER = `sha256:${"d".repeat(64)}`;

/** A listener whose authority takes what `update` gives it as the list of those that are revoked. */
async function serve(options: Partial<ListenOptions> = {}) {
  const network = memoryNetwork();
  const revoked = new Set<string>();
  const authority: JoinAuthority = {
    isRevoked: (identity) => revoked.has(identity),
    mint: () => Promise.resolve(""),
    verify: () => Promise.resolve({ clientIdentity: undefined }),
    update: () => Promise.resolve(),
  };
  const environment = {
    transport: network.transport,
    runtime: systemRuntime,
    agent: "test",
    tls: { cert: SERVER, key: "" },
    identity: SERVER,
    authority,
    identityOf: (cert: string) => cert,
  };
  const listener = await listenWith(environment, "127.0.0.1:4900", { tls: "self-signed", ...options });
  const dial = (identity: string) =>
    dialWith({ transport: network.transport, runtime: systemRuntime, agent: "test" }, listener.url, {
      credentials: { cert: identity, key: "key" },
    });
  return { network, revoked, listener, dial };
}

async function update(listener: Listener): Promise<void> {
  await listener.updateCluster({ ticketVerifyKeys: [] });
}

const NAMES = [
  ["by its certificate's name", undefined],
  ["by the name that `authenticate` gave it", () => ({ ok: true as const, identity: "alice" })],
] as const;
test.each(NAMES)("the session of a client that is revoked ends, known %s; those of others go on", async (_, authenticate) => {
  const { revoked, listener, dial } = await serve(authenticate === undefined ? {} : { authenticate });
  const client = await dial(CLIENT);
  const session = await listener.accept();
  const other = await dial(OTHER);
  await listener.accept();
  revoked.add(CLIENT);
  await update(listener);
  expect(await session.closed).toMatchObject({ code: "AUTH_REFUSED" });
  expect(await client.closed).toMatchObject({ code: "AUTH_REFUSED", reason: expect.stringContaining("revoked") as string });
  expect(listener.stats().sessions).toBe(1);
  await expect(dial(CLIENT)).rejects.toMatchObject({ code: "AUTH_REFUSED" });
  await other.close();
  await listener.close();
});

test("the session of a client that is away ends too when it is revoked", async () => {
  const { network, revoked, listener, dial } = await serve();
  const client = await dial(CLIENT);
  const session = await listener.accept();
  network.unplug("127.0.0.1:4900");
  await expect.poll(() => listener.stats().suspendedSessions, { timeout: 30_000 }).toBe(1);
  revoked.add(CLIENT);
  await update(listener);
  expect(await session.closed).toMatchObject({ code: "AUTH_REFUSED" });
  expect(listener.stats()).toMatchObject({ sessions: 0, suspendedSessions: 0 });
  await client.close();
  await listener.close();
});

// spec: PATH-10
test("a client that was revoked does not come back to its session", async () => {
  const { network, revoked, listener, dial } = await serve();
  const client = await dial(CLIENT);
  await listener.accept();
  network.unplug("127.0.0.1:4900");
  await expect.poll(() => listener.stats().suspendedSessions, { timeout: 30_000 }).toBe(1);
  // Nobody has looked through the sessions yet.
  revoked.add(CLIENT);
  network.plug("127.0.0.1:4900");
  await expect.poll(() => listener.stats().refusals["revoked"] ?? 0, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(listener.stats().resumedSessions).toBe(0);
  await client.close();
  await listener.close();
});

test("who is revoked while `authenticate` is asked gets no session", async () => {
  let decide = (): void => undefined;
  const decided = new Promise<void>((resolve) => {
    decide = resolve;
  });
  let asked = 0;
  const { revoked, listener, dial } = await serve({
    authenticate: async () => {
      asked += 1;
      await decided;
      return { ok: true };
    },
  });
  const dialling = dial(CLIENT).then(
    () => "in",
    (error: unknown) => (error as { code: string }).code,
  );
  await expect.poll(() => asked, { timeout: 30_000 }).toBe(1);
  revoked.add(CLIENT);
  await update(listener);
  decide();
  expect(await dialling).toBe("AUTH_REFUSED");
  await listener.close();
});
