import { dial, type DialOptions, listen } from "kwik";
import { quicTransport } from "@kwik/transport-quic";
import { tcpTransport } from "@kwik/transport-tcp";
import { webSocketTransport } from "@kwik/transport-websocket";
import { expect, test } from "vitest";

/** Options as somebody without types may give them, and what the error says. */
type Wrong = readonly [options: unknown, words: string];

const COMMON: readonly Wrong[] = [
  [null, "the options are an object, not null"],
  [{ limit: {} }, "there is no limit; there are"],
  [{ limits: { maxPath: 3 } }, "there is no limits.maxPath; there are"],
  [{ limits: { maxPaths: -1 } }, "limits.maxPaths is a number, not negative, not -1"],
  [{ limits: { maxStreams: Number.NaN } }, "limits.maxStreams is a number, not negative, not NaN"],
  [{ limits: { handshakeTimeoutMs: "5s" } }, 'limits.handshakeTimeoutMs is a number, not negative, not "5s"'],
  [{ limits: { maxDuplicateShare: 1.5 } }, "limits.maxDuplicateShare is a share from 0 to 1, not 1.5"],
  [{ limits: [] }, "limits is an object, not an array"],
  [{ scheduler: "fastest" }, 'there is no scheduler "fastest"; known are'],
  [{ scheduler: 7 }, "scheduler is a string or a function, not 7"],
];

const DIAL: readonly Wrong[] = [
  ...COMMON,
  [{ early: "yes" }, 'early is true or false, not "yes"'],
  [{ transport: "sctp" }, '"sctp" is no transport'],
  [{ transport: "" }, "transport is the name of one, or left out"],
  [{ trust: { pin: [] } }, "there is no trust.pin; there are ca, pins"],
  [{ trust: { pins: "sha256:00" } }, 'trust.pins is an array, not "sha256:00"'],
  [{ trust: { dangerouslyTrustAnyServer: 1 } }, "trust.dangerouslyTrustAnyServer is true or false, not 1"],
  [{ credentials: { token: 5 } }, "credentials.token is a string, not 5"],
  [{ servers: "kwik://b" }, 'servers is an array, not "kwik://b"'],
  [{ pathPolicy: { maxPaths: -2 } }, "pathPolicy.maxPaths is a number, not negative, not -2"],
  [{ pathPolicy: { allow: true } }, "pathPolicy.allow is a function, not true"],
];

const LISTEN: readonly Wrong[] = [
  ...COMMON,
  [{}, "tls is { cert, key } in PEM"],
  [{ tls: "selfsigned" }, "tls is { cert, key } in PEM"],
  [{ tls: { cert: "x", keys: "y" } }, "there is no tls.keys; there are cert, key"],
  [{ tls: "self-signed", web: "yes" }, 'web is true or false or an object, not "yes"'],
  [{ tls: "self-signed", web: { allowOrigins: [] } }, "there is no web.allowOrigins; there are path, allowOrigin"],
  [{ tls: "self-signed", validateAddresses: 0 }, "validateAddresses is true or false, not 0"],
  [{ tls: "self-signed", authenticate: {} }, "authenticate is a function, not a value of type object"],
  [{ tls: "self-signed", cluster: { ticketVerifyKeys: "k" } }, 'cluster.ticketVerifyKeys is an array, not "k"'],
  [{ tls: "self-signed", redirect: 4434 }, "redirect is a function, not 4434"],
  [{ tls: "self-signed", onNotice: console }, "onNotice is a function"],
];

test.each(DIAL)("dial refuses %j", async (options, words) => {
  const refused = dial("kwik://127.0.0.1:1", options as DialOptions);
  await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(words) as string });
});

test.each(LISTEN)("listen refuses %j", async (options, words) => {
  const refused = listen("127.0.0.1:0", options as Parameters<typeof listen>[1]);
  await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(words) as string });
});

const TRANSPORTS = { quic: quicTransport, tcp: tcpTransport, websocket: webSocketTransport } as const;

test.each(
  Object.entries(TRANSPORTS).flatMap(([name, make]) =>
    (
      [
        [{ maxConnections: -1 }, "maxConnections is a number, not negative, not -1"],
        [{ maxConnections: "many" }, 'maxConnections is a number, not negative, not "many"'],
        [{ clientCa: true }, "clientCa is a string, not true"],
        [{ maxConnection: 5 }, "there is no maxConnection; there are"],
      ] as const
    ).map(([options, words]) => ({ name, make: make as (options: unknown) => unknown, options, words })),
  ),
)("the transport $name refuses $options", ({ make, options, words }) => {
  expect(() => make(options)).toThrow(words);
});

test("what is undefined stands for the default, and Infinity for no bound", async () => {
  const listener = await listen("kwik+tcp://127.0.0.1:0", { tls: "self-signed", limits: { graceMs: Number.POSITIVE_INFINITY } });
  await listener.close();
  expect(() => tcpTransport({ maxConnections: Number.POSITIVE_INFINITY })).not.toThrow();
});
