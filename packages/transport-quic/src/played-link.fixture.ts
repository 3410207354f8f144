import type { Carrier, CarrierReceiver, Link, LinkReceiver } from "@kwik/core";
import { queryCertificate } from "./certificate-query.ts";

/** A link whose server the test plays. */
export class PlayedLink {
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
