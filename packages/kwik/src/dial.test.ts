import { isKwikError } from "@kwik/core";
import { makeSelfSigned } from "@kwik/trust";
import { expect, test } from "vitest";
import { dial } from "./dial.ts";
import { listen } from "./listen.ts";

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "dialled",
    (error: unknown) => (isKwikError(error) ? error.code : String(error)),
  );
}

test("trust.certificates are pins of their keys", async () => {
  await using listener = await listen("kwik+tcp://127.0.0.1:0", { tls: "self-signed" });
  const other = await makeSelfSigned();
  await using session = await dial(listener.url, { trust: { certificates: [other.cert, listener.certificate] } });
  expect(session.stats().paths.map((path) => path.identity)).toEqual([listener.identity]);
  expect(await codeOf(dial(listener.url, { trust: { certificates: [other.cert] } }))).toBe("NOT_TRUSTED");
  for (const certificates of [[], ["PEM"], [other.key]])
    expect(await codeOf(dial(listener.url, { trust: { certificates } }))).toBe("INVALID_ARGUMENT");
});

test("a transport of browsers is told with those that work", async () => {
  await expect(dial("kwik+webtransport://127.0.0.1:1")).rejects.toMatchObject({
    code: "NOT_SUPPORTED",
    message: expect.stringMatching(/the transport webtransport does not work .*tcp and websocket would/),
  });
});
