import type { IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { AddressRange, parseAddress } from "@kwik/core";
import { fuzz, fuzzBudget, pieces } from "@kwik/testkit";
import { expect, test } from "vitest";
import { ForwardedAddress } from "./forwarded-address.ts";
import { joinMessages } from "./join-messages.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";

const PROXIES = ["10.0.0.0/8", "fd00::/8"];
const DIRECT = { remoteAddress: "10.1.2.3", remotePort: 4000 } as unknown as Socket;
const STRANGER = { remoteAddress: "192.0.2.4", remotePort: 4000 } as unknown as Socket;

test("X-Forwarded-For: the socket's own address, or one that is an address and no proxy; of a stranger nothing is believed", () => {
  const reader = new ForwardedAddress(PROXIES);
  const ranges = PROXIES.map((text) => AddressRange.parse(text));
  return fuzz(
    {
      corpus: {
        one: { text: "203.0.113.7" },
        port: { text: "203.0.113.7:4711, 10.0.0.1" },
        six: { text: "[2001:db8::1]:80, 2001:db8::2,fd00::1" },
        forged: { text: "1.1.1.1, unknown, 10.0.0.9" },
        mapped: { text: "::ffff:10.0.0.1" },
        "no port": { text: "203.0.113.7:99999" },
        long: { text: "10.0.0.1,".repeat(40) },
      },
      read: (input) => {
        const header = Buffer.from(input).toString("latin1");
        const request = { headers: { "x-forwarded-for": header } } as unknown as IncomingMessage;
        expect(reader.of(request, STRANGER)).toBe("192.0.2.4:4000");
        const client = reader.of(request, DIRECT);
        if (client === "10.1.2.3:4000") return;
        const { host, port } = parseAddress(client);
        expect(isIP(host)).not.toBe(0);
        expect(ranges.some((range) => range.contains(host))).toBe(false);
        expect(port).toBeLessThanOrEqual(65_535);
        expect(header.toLowerCase()).toContain(host.toLowerCase());
      },
    },
    fuzzBudget(),
  );
});

test("parts that are joined to messages: every byte once and in order, and no message larger than it may be", () =>
  fuzz(
    {
      corpus: { few: { text: "some bytes" }, none: { text: "" }, many: { text: "x".repeat(5000) } },
      read: (input, cut) => {
        // As many times as make a few messages of it.
        const parts = Array.from({ length: 1 + 8 * cut.length }, () => pieces(input, cut)).flat();
        const messages = [...joinMessages(parts)];
        for (const message of messages) {
          expect(message.length).toBeGreaterThan(0);
          expect(message.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
        }
        expect(Buffer.concat(messages).equals(Buffer.concat(parts))).toBe(true);
      },
    },
    fuzzBudget(),
  ));
