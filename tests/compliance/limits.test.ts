import { dialWith, isKwikError, listenWith, systemRuntime } from "@kwik/core";
import { quicTransport } from "@kwik/transport-quic";
import { tcpTransport } from "@kwik/transport-tcp";
import { webSocketTransport } from "@kwik/transport-websocket";
import { trustAnchorFor, trustAnchorUnder } from "@kwik/trust";
import { expect, onTestFinished, test } from "vitest";
import { nodeWebTransport } from "../browser/http3-client.ts";
import { runLimitSuite } from "./limit-suite.ts";
import { NamingProxy } from "./naming-proxy.ts";
import { selfSigned } from "./tls-material.ts";

runLimitSuite({ name: "TCP", makeTransport: () => tcpTransport(), tellsBeyondRate: false, keepsLinks: true, hasAuthorities: true });
runLimitSuite({
  name: "WebSocket",
  makeTransport: () => webSocketTransport(),
  tellsBeyondRate: false,
  keepsLinks: true,
  hasAuthorities: true,
});

runLimitSuite({
  name: "QUIC",
  makeTransport: () => quicTransport({ resolvePin: trustAnchorFor, resolveAuthority: trustAnchorUnder }),
  hasAuthorities: true,
  // Its handshake is over by then, and the code reaches the client.
  tellsBeyondRate: true,
  keepsLinks: false,
});
runLimitSuite({
  name: "WebTransport",
  makeTransport: () => nodeWebTransport(),
  hasAuthorities: false,
  tellsBeyondRate: false,
  keepsLinks: false,
});

test("clients behind a proxy are limited by the address that it names, and it is not", async () => {
  const tls = await selfSigned();
  const transport = webSocketTransport();
  await using listener = await listenWith(
    { transport, runtime: systemRuntime, agent: "test", tls, identity: tls.identity, authority: undefined },
    "127.0.0.1:0",
    {
      tls,
      proxies: ["127.0.0.1"],
      limits: { handshakeBurstPerPrefix: 1, handshakesPerSecondPerPrefix: 0.01, failedChecksPerMinutePerPrefix: 1 },
      authenticate: ({ remoteAddress }) => {
        asked.push(remoteAddress);
        return { ok: false };
      },
    },
  );
  const asked: string[] = [];
  const proxy = await NamingProxy.to(Number(listener.address.split(":")[1]), tls);
  onTestFinished(() => proxy.close());
  const knock = async (client: string): Promise<string> => {
    proxy.client = client;
    const options = { trust: { dangerouslyTrustAnyServer: true } };
    return dialWith({ transport, runtime: systemRuntime, agent: "test" }, `kwik://${proxy.address}`, options).then(
      () => "dialled",
      (error: unknown) => (isKwikError(error) ? error.code : String(error)),
    );
  };
  expect(await knock("203.0.113.9")).toBe("AUTH_REFUSED");
  expect(await knock("203.0.113.10")).toBe("LIMIT_REACHED");
  expect(await knock("198.51.100.1")).toBe("AUTH_REFUSED");
  expect(asked).toEqual(["203.0.113.9:0", "198.51.100.1:0"]);
  expect(listener.stats().refusals).toEqual({ credentials: 2, "failed-checks": 1 });
});
