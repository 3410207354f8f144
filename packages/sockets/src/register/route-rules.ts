import { isIP } from "node:net";
import { formatAddress, KwikError, parseAddress } from "@kwik/core";

/** One rule: which connections, and over which gateway. */
export interface RouteRule {
  /** A name or address in lower case, "*.name" for names below it, or "*" for all. */
  readonly host: string;
  /** Undefined for all. */
  readonly port: number | undefined;
  /** "kwik://host:port"; addresses of one gateway, which is dialled at the first. */
  readonly gateways: readonly [string, ...string[]];
}

/** What a connection that fits a rule needs to know of it. */
export type RuleGateways = RouteRule["gateways"];

/** Rules at once, at most. */
export const MAX_ROUTE_RULES = 1000;

/**
 * Reads "host:port=kwik://gateway:port", several of them with commas between. A host is a name, an IPv4 address, an IPv6 address in brackets, "*.name", or "*"; a
 * port a number or "*"; further addresses of the same gateway follow with | between. Throws INVALID_ARGUMENT that names the rule.
 */
export function parseRouteRules(text: string): readonly RouteRule[] {
  const rules = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(parseRule);
  if (rules.length > MAX_ROUTE_RULES)
    throw new KwikError("INVALID_ARGUMENT", `KWIK_ROUTE has ${rules.length} rules, at most ${MAX_ROUTE_RULES}`);
  return rules;
}

/** The rules, ready to be asked for each connection. */
export class RouteTable {
  readonly #rules: readonly RouteRule[];
  /** Where the gateways themselves are. */
  readonly #own: ReadonlySet<string>;

  constructor(rules: readonly RouteRule[]) {
    this.#rules = rules;
    this.#own = new Set(rules.flatMap(({ gateways }) => gateways.map(placeOf)));
  }

  /** The gateway of the first rule that fits; undefined if none does, and for connections to the gateways themselves. */
  find(host: string, port: number): RuleGateways | undefined {
    const name = host.toLowerCase().replace(/\.$/, "");
    if (this.#own.has(formatAddress({ host: name, port }))) return undefined;
    return this.#rules.find((rule) => (rule.port === undefined || rule.port === port) && fits(rule.host, name))?.gateways;
  }
}

function parseRule(text: string): RouteRule {
  const [, bracketed, plain, port, list] = /^(?:\[([^\]]*)\]|([^:=[\]]+)):(\d{1,5}|\*)=(.+)$/.exec(text) ?? [];
  const host = (bracketed ?? plain)?.toLowerCase();
  if (host === undefined || port === undefined || list === undefined) throw wrong(text, "write host:port=kwik://gateway:4433");
  if (bracketed === undefined ? !isHostPattern(host) : isIP(bracketed) !== 6)
    throw wrong(text, `"${host}" is no host; write a name, an address, *.name or *`);
  if (port !== "*" && (Number(port) === 0 || Number(port) > 65535)) throw wrong(text, `${port} is no port; write 1 to 65535, or *`);
  const [first = "", ...others] = list.split("|").map((part) => gatewayOf(text, part.trim()));
  return { host, port: port === "*" ? undefined : Number(port), gateways: [first, ...others] };
}

function gatewayOf(text: string, gateway: string): string {
  if (!/^kwik(?:\+[a-z]+)?:\/\//.test(gateway)) throw wrong(text, `the gateway "${gateway}" does not begin with kwik://`);
  try {
    parseAddress(gateway);
  } catch (cause) {
    throw new KwikError("INVALID_ARGUMENT", `KWIK_ROUTE, "${text}": ${cause instanceof Error ? cause.message : ""}`, { cause });
  }
  return gateway;
}

function isHostPattern(host: string): boolean {
  return host === "*" || /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/.test(host);
}

function fits(pattern: string, name: string): boolean {
  if (pattern === "*") return true;
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) && name.length > pattern.length - 1 : pattern === name;
}

function placeOf(gateway: string): string {
  const { host, port } = parseAddress(gateway);
  return formatAddress({ host: host.toLowerCase(), port });
}

function wrong(text: string, advice: string): KwikError {
  return new KwikError("INVALID_ARGUMENT", `KWIK_ROUTE, "${text}": ${advice}`);
}
