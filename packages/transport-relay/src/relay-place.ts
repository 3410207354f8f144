import {
  checkOptions,
  type Credentials,
  type DialOptions,
  formatAddress,
  KwikError,
  type OptionKinds,
  parseAddress,
  parseIdentity,
  type Relay,
  type RelayOptions,
  type TrustOptions,
} from "@kwik/core";

const RELAY: Record<keyof RelayOptions, OptionKinds> = {
  address: ["string", "object"],
  trust: { ca: "string", pins: "list", certificates: "list", revoked: "string", dangerouslyTrustAnyServer: "boolean" },
  credentials: { token: "string", cert: "string", key: "string" },
};

/** Where a relay is, whom to believe as it, and who it is told the client is. */
export class RelayPlace implements Relay {
  readonly name: string;
  readonly dialOptions: Pick<DialOptions, "trust" | "credentials" | "transport">;
  /** The same for all that may share a session with the relay. */
  readonly key: string;

  private constructor(name: string, dialOptions: RelayPlace["dialOptions"]) {
    this.name = name;
    this.dialOptions = dialOptions;
    this.key = JSON.stringify([name, dialOptions]);
  }

  /** Reads one of `DialOptions.relays`. Throws INVALID_ARGUMENT. */
  static of(relay: string | URL | RelayOptions, session: Pick<DialOptions, "trust" | "transport">): RelayPlace {
    const options = typeof relay === "string" || relay instanceof URL ? { address: relay } : relay;
    checkOptions("dial: a relay", options, RELAY);
    const [address = "", pin] = String(options.address).split("#", 2);
    if (pin !== undefined && options.trust !== undefined)
      throw new KwikError("INVALID_ARGUMENT", `the relay ${address} has a key in its address and a trust; leave one of them out`);
    return new RelayPlace(formatAddress(parseAddress(address)), {
      trust: pin === undefined ? (options.trust ?? trustWithoutPins(session.trust)) : { pins: [parseIdentity(pin)] },
      ...(options.credentials === undefined ? {} : { credentials: { ...options.credentials } satisfies Credentials }),
      ...(session.transport === undefined ? {} : { transport: session.transport }),
    });
  }
}

/** A pin of the session's is good for its servers: a relay that it fits could pass for one. */
function trustWithoutPins({ ca, dangerouslyTrustAnyServer }: TrustOptions = {}): TrustOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(dangerouslyTrustAnyServer === undefined ? {} : { dangerouslyTrustAnyServer }),
  };
}
