/** What one process of a measurement does. */
export interface Role {
  /** Said to the parent once it works. */
  readonly ready: unknown;
  /** Asked by the parent, by name. */
  readonly commands: Readonly<Record<string, (argument: never) => Promise<unknown>>>;
}

/** From parent to child. */
export interface Question {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

/** From child to parent; `id` 0 is readiness. */
export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Names of the roles that a process can be started with. */
export type RoleName =
  | "kwik-server"
  | "kwik-client"
  | "raw-server"
  | "raw-client"
  | "tls-server"
  | "tls-client"
  | "ws-server"
  | "ws-client"
  | "web-server"
  | "flood-client"
  | "plain-server"
  | "plain-client"
  | "forwarder";
