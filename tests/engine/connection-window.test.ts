import { DEFAULT_LIMITS } from "@kwik/proto";
import { LinkBench } from "@kwik/testkit";
import { quicTransport } from "@kwik/transport-quic";
import { afterEach, expect, test } from "vitest";
import { selfSigned } from "../compliance/tls-material.ts";

// B8 of docs/decisions/0003-quic-engine.md: the engine breaks a connection with FLOW_CONTROL_ERROR when its window binds. The window stays
// at 100 MB (packages/transport-quic/src/engine/options.test.ts) and kwik keeps far below it.

const MB = 1_000_000;
const TOTAL = 60 * MB;
const PART = 100_000;
const CARRIERS = 6;

const tls = await selfSigned();
let bench: LinkBench | undefined;

afterEach(() => bench?.close());

function makeBench(): LinkBench {
  bench = new LinkBench({
    transport: quicTransport(),
    capabilities: new Set(),
    tls,
    address: { host: "127.0.0.1", port: 0 },
    deadAddress: { host: "127.0.0.1", port: 9 },
  });
  return bench;
}

test("B8: kwik has at most 8 MB under way on a link", () => {
  expect(DEFAULT_LIMITS.maxInFlightBytes).toBeLessThanOrEqual(8 * MB);
});

for (const direction of ["up", "down"] as const) {
  test(`B8: a link carries 60 MB ${direction} with as much under way as kwik ever has`, async () => {
    const { client, server } = await makeBench().pair();
    const [sender, receiver] = direction === "up" ? [client, server] : [server, client];
    let sent = 0;
    let acknowledged = 0;
    let mostUnderWay = 0;
    let received = 0;
    const done = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${received} of ${TOTAL} bytes arrived, ${acknowledged} acknowledged`)), 20_000);
      receiver.onArrival = (end) => {
        // As kwik's receivers do, it says what came; unlike theirs, only in numbers of whole parts.
        let parts = 0;
        end.dataHook = (data) => {
          received += data.length;
          const whole = Math.floor(end.receivedBytes / PART);
          if (whole > parts) end.send(new Uint8Array(whole - parts));
          parts = whole;
        };
      };
      const carriers = Array.from({ length: CARRIERS }, () => sender.open());
      let turn = 0;
      const fill = (): void => {
        while (sent < TOTAL && sent - acknowledged + PART <= DEFAULT_LIMITS.maxInFlightBytes) {
          carriers[turn % CARRIERS]?.send(new Uint8Array(PART));
          turn += 1;
          sent += PART;
          mostUnderWay = Math.max(mostUnderWay, sent - acknowledged);
        }
      };
      for (const carrier of carriers) {
        carrier.dataHook = (data) => {
          acknowledged += data.length * PART;
          if (acknowledged < TOTAL) {
            fill();
            return;
          }
          clearTimeout(timer);
          resolve();
        };
      }
      fill();
    });
    await done;
    expect(received).toBe(TOTAL);
    expect(mostUnderWay).toBe(DEFAULT_LIMITS.maxInFlightBytes);
    expect([client.closed, server.closed]).toEqual([undefined, undefined]);
    // B14: carriers are bidirectional streams; the second bit of a stream's number says so.
    for (const { carrier } of receiver.arrivals) expect(carrier.id & 2).toBe(0);
  });
}
