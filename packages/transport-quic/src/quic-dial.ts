import { isIP } from "node:net";
import type { DialRequest, Link, ServerAddress, TrustAnchor } from "@kwik/core";
import { queryCertificate } from "./certificate-query.ts";
import { connectQuic } from "./connect.ts";
import type { ConnectRequest } from "./connect.ts";
import { raceAddresses, resolveServer } from "@kwik/resolve";

/** What a connection checks, without where it goes. */
export type Proof = Pick<ConnectRequest, "serverName" | "ca" | "verify" | "provenIdentity">;

/** One dial of one server. Its deadline and its addresses are those of all connections that it takes. */
export class QuicDial {
  readonly #request: DialRequest;
  readonly #onNotice: (message: string) => void;
  readonly #deadline: number;
  #addresses: Promise<readonly ServerAddress[]> | undefined;

  constructor(request: DialRequest, onNotice: (message: string) => void) {
    this.#request = request;
    this.#onNotice = onNotice;
    this.#deadline = performance.now() + request.timeoutMs;
  }

  async connect(proof: Proof): Promise<Link> {
    this.#addresses ??= resolveServer(this.#request);
    const addresses = await this.#addresses;
    return raceAddresses(addresses, this.#request.signal, (address, signal) =>
      connectQuic({
        ...proof,
        address,
        clientCertificate: this.#request.clientCertificate,
        timeoutMs: this.#remainingMs(),
        signal,
        onNotice: this.#onNotice,
      }),
    );
  }

  connectUnder(anchor: TrustAnchor): Promise<Link> {
    return this.connect({ serverName: anchor.serverName, ca: anchor.ca, verify: true, provenIdentity: anchor.identity });
  }

  connectUnverified(serverName: string): Promise<Link> {
    return this.connect({ serverName, ca: undefined, verify: false, provenIdentity: undefined });
  }

  /** The chain that the server claims, PEM. Hostile until proven. */
  async queryChain(): Promise<string> {
    const { host } = this.#request.address;
    const link = await this.connectUnverified(isIP(host) === 0 ? host : "localhost");
    try {
      return await queryCertificate(link, this.#remainingMs());
    } finally {
      link.close(0, "");
    }
  }

  #remainingMs(): number {
    return Math.max(1, this.#deadline - performance.now());
  }
}
