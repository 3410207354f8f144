import type { Carrier, CarrierReceiver, Link, LinkReceiver } from "@kwik/core";
import { expect, test } from "vitest";
import { queryAnswer, queryCertificate } from "./certificate-query.ts";

/** A link whose server the test plays. */
class PlayedLink {
  readonly properties = { remoteAddress: "192.0.2.1:4433" };
  receiver: LinkReceiver | undefined;
  carrier: { receiver: CarrierReceiver | undefined; send(): void } = { receiver: undefined, send: () => undefined };

  attach(receiver: LinkReceiver): void {
    this.receiver = receiver;
  }

  openCarrier(): Carrier {
    return this.carrier as unknown as Carrier;
  }

  ask(timeoutMs = 30_000): Promise<string> {
    return queryCertificate(this as unknown as Link, timeoutMs);
  }
}

test("a server that stops or dies before it has shown its certificate is unreachable, not something else than kwik", async () => {
  const link = new PlayedLink();
  const asked = link.ask();
  link.receiver?.onClose({ code: 0x19, reason: "the server is shutting down", remote: true });
  await expect(asked).rejects.toMatchObject({ code: "UNREACHABLE", message: expect.stringContaining("shutting down") as string });
});

test("so is one that falls silent", async () => {
  await expect(new PlayedLink().ask(1)).rejects.toMatchObject({ code: "UNREACHABLE" });
});

test("one that answers with what is no chain is no kwik server", async () => {
  const link = new PlayedLink();
  const asked = link.ask();
  link.carrier.receiver?.onData(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  await expect(asked).rejects.toMatchObject({ code: "NOT_KWIK" });
});

test("a chain is taken however it arrives", async () => {
  const link = new PlayedLink();
  const asked = link.ask();
  for (const byte of queryAnswer("PEM")) link.carrier.receiver?.onData(Uint8Array.of(byte));
  await expect(asked).resolves.toBe("PEM");
});
