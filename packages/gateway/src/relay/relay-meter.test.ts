import { expect, test } from "vitest";
import { RelayMeter } from "./relay-meter.ts";

test("links and bytes count for their client and in all", () => {
  const meter = new RelayMeter();
  const [a, b] = [meter.open("ann"), meter.open("bob")];
  meter.open("ann").closed();
  a.sent(5);
  a.received(7);
  b.received(1);
  expect(meter.total).toEqual({ links: 2, openedTotal: 3, sentBytes: 5, receivedBytes: 8 });
  expect(meter.clients()).toEqual([
    { client: "bob", links: 1, openedTotal: 1, sentBytes: 0, receivedBytes: 1 },
    { client: "ann", links: 1, openedTotal: 2, sentBytes: 5, receivedBytes: 7 },
  ]);
});

test("of more than a thousand clients those without links are forgotten, and never the sums", () => {
  const meter = new RelayMeter();
  const open = meter.open("open");
  for (let i = 0; i < 1_500; i += 1) {
    const link = meter.open(`client ${i}`);
    link.sent(1);
    link.closed();
  }
  open.sent(3);
  expect(meter.clients()).toHaveLength(1_000);
  expect(meter.clients()[0]).toMatchObject({ client: "open", links: 1, sentBytes: 3 });
  expect(meter.total).toMatchObject({ links: 1, openedTotal: 1_501, sentBytes: 1_503 });
});
