import { dialWith, listenWith, systemRuntime, type Transport } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import { tcpTransport } from "@kwik/transport-tcp";
import { identityOf } from "@kwik/trust";
import { expect, test } from "vitest";
import { selfSigned } from "../compliance/tls-material.ts";

const TRANSPORTS: readonly (readonly [string, string, object, () => Transport])[] = [
  ["QUIC is told so, and a time to wait", "LIMIT_REACHED", { retryAfterMs: 1_000 }, () => quicTransport()],
  // Nothing can be said before TLS.
  ["TCP finds nobody", "UNREACHABLE", {}, () => tcpTransport()],
];

test.each(TRANSPORTS)("a client beyond the rate of handshakes over %s", async (_, code, more, make) => {
  const tls = await selfSigned();
  const identity = identityOf(tls.cert);
  const environment = { transport: make(), runtime: systemRuntime, agent: "test", tls, identity, authority: undefined, identityOf };
  const limits = { handshakesPerSecondPerPrefix: 0.01, handshakeBurstPerPrefix: 1, handshakesPerSecondPerServedPrefix: 0.01 };
  const listener = await listenWith(environment, "127.0.0.1:0", { tls, limits });
  const trust = { dangerouslyTrustAnyServer: true };
  const dial = (): ReturnType<typeof dialWith> =>
    dialWith({ transport: make(), runtime: systemRuntime, agent: "test" }, `kwik://${listener.address}`, { trust });
  const first = await dial();
  await expect(dial()).rejects.toMatchObject({ code, ...more });
  await first.close();
  await listener.close();
});
