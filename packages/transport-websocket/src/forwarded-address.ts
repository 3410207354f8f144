import type { IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { AddressRange, formatAddress } from "@kwik/core";
import { remoteAddressOf } from "@kwik/tls";

/** Addresses that a request may name, at most: more were made up. */
const MAX_HOPS = 16;

/** Tells whom a request comes from where proxies stand between. */
export class ForwardedAddress {
  readonly #proxies: readonly AddressRange[];

  /** `proxies` are the addresses and ranges whose word is believed. Throws INVALID_ARGUMENT for what is none. */
  constructor(proxies: readonly string[] = []) {
    this.#proxies = proxies.map((text) => AddressRange.parse(text));
  }

  /**
   * "host:port" of the client: of the socket's other end, or if that is a proxy of the last address in X-Forwarded-For that is none, with port 0 if it has none. What
   * stands before that address anybody may have written.
   */
  of(request: IncomingMessage, socket: Socket): string {
    const direct = remoteAddressOf(socket) ?? "somebody";
    if (!this.#isProxy(socket.remoteAddress ?? "")) return direct;
    const hops = [request.headers["x-forwarded-for"] ?? []].flat().join(",").split(",").slice(-MAX_HOPS).reverse();
    for (const hop of hops) {
      const client = clientOf(hop);
      if (client === undefined) return direct;
      if (!this.#isProxy(client.host)) return formatAddress(client);
    }
    return direct;
  }

  #isProxy(host: string): boolean {
    return this.#proxies.some((range) => range.contains(host));
  }
}

/** An address with or without port, as proxies write it. */
function clientOf(hop: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)|([0-9a-f:.]+))(?::(\d{1,5}))?$/i.exec(hop.trim());
  const host = match?.[1] ?? match?.[2] ?? match?.[3] ?? "";
  const port = Number(match?.[4] ?? 0);
  return isIP(host) === 0 || port > 65_535 ? undefined : { host, port };
}
