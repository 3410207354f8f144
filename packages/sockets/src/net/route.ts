import type { DialOptions, Session } from "@kwik/core";

/** How a connection gets to its other end. */
export type Route = DirectRoute | TunnelRoute;

interface AnyRoute {
  /** For messages and `remoteAddress`; unknown on a session that was given. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** How a session is dialled, if there is none yet. */
  readonly dial?: DialOptions;
}

/** A stream at a kwik server, which is the other end itself. */
export interface DirectRoute extends AnyRoute {
  readonly kind: "direct";
  readonly server: string | URL | Session;
}

/** A gateway of the session makes the connection to host and port. */
export interface TunnelRoute extends AnyRoute {
  readonly kind: "tunnel";
  readonly gateway: string | URL | Session;
  readonly host: string;
  readonly port: number;
}
