import { expect, test } from "vitest";
import { localAddressOf, remoteAddressOf } from "./socket-address.ts";

test("addresses are host and port, IPv4 in its own notation, and nothing where the socket is gone", () => {
  expect(remoteAddressOf({ remoteAddress: "::ffff:10.0.0.1", remotePort: 5 })).toBe("10.0.0.1:5");
  expect(localAddressOf({ localAddress: "::1", localPort: 5 })).toBe("[::1]:5");
  expect(remoteAddressOf({ remoteAddress: undefined, remotePort: undefined })).toBeUndefined();
});
