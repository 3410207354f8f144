/** What a tunnel leads to. */
export type TunnelTarget = TcpTarget | UnixTarget | UdpTarget | LinkTarget;

/** A TCP connection that the gateway makes. */
export interface TcpTarget extends TunnelAddress {
  readonly kind: "tcp";
}

/** A unix socket of the gateway, by the name under which the gateway lists it. Clients name no paths. */
export interface UnixTarget {
  readonly kind: "unix";
  /** 1 to 255 bytes of UTF-8. */
  readonly name: string;
}

/** A UDP socket of the gateway; each datagram names its own target. */
export interface UdpTarget {
  readonly kind: "udp";
}

/** A kwik server to which a relay carries a link; docs/protocol/relay.md. */
export interface LinkTarget extends TunnelAddress {
  readonly kind: "link";
}

export interface TunnelAddress {
  /** A name, an IPv4 address, or an IPv6 address without brackets. 1 to 255 characters of A-Z a-z 0-9 . _ : - */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** "tcp example.org:80", "unix db", "udp", "link example.org:4433": for messages. */
export function describeTarget(target: TunnelTarget): string {
  if (target.kind === "unix") return `unix ${target.name}`;
  return target.kind === "udp" ? "udp" : `${target.kind} ${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
}
