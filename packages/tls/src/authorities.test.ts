import { expect, test } from "vitest";
import { parseAuthorities } from "./authorities.ts";

test("what holds no certificate, or one that cannot be read, is INVALID_ARGUMENT and says what was given", () => {
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
  for (const pem of ["", "garbage", broken]) {
    expect(() => parseAuthorities(pem, "authorities of clients")).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("authorities of clients cannot be used; they must be PEM"),
      }),
    );
  }
});
