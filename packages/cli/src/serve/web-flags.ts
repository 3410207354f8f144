import type { Listener, NodeListenOptions } from "kwik";
import { CommandError, ExitStatus } from "../exit-status.ts";
import type { BrowserCertificate } from "./browser-certificate.ts";

/** What the command line says of browsers. */
export interface WebFlags {
  readonly web?: boolean;
  readonly allowOrigin?: readonly string[];
}

/** Who may connect, as the flags say. Throws a usage error for what is no origin. */
export function webOptionsOf({ web, allowOrigin = [] }: WebFlags): Pick<NodeListenOptions, "web"> {
  if (web !== true) {
    if (allowOrigin.length === 0) return {};
    throw new CommandError(ExitStatus.usage, "--allow-origin says which pages may connect, so it needs --web");
  }
  if (allowOrigin.length === 0) return { web: true };
  const origins = new Set(allowOrigin.map(parseOrigin));
  return { web: { allowOrigin: (origin) => origins.has("*") || origins.has(origin) } };
}

function parseOrigin(text: string): string {
  if (text === "*") return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // A browser's origin has no path; a slash at the end is what people copy from its address bar.
  if (url !== undefined && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href) return url.origin;
  throw new CommandError(
    ExitStatus.usage,
    `"${text}" is not an origin; write it like https://app.example or http://localhost:8080, or * for all pages`,
  );
}

/** What is said on standard error when browsers will not take the certificate by its hash. */
export function certificateNotice({ flaw }: BrowserCertificate): string | undefined {
  if (flaw === undefined) return undefined;
  return `browsers do not take this certificate by its hash: ${flaw}. It has to come from an authority that they know, or use --self-signed`;
}

/** The second line of a server for browsers. */
export function webLine({ hash, validUntil, flaw }: BrowserCertificate): string {
  const day = validUntil.toISOString().slice(0, 10);
  return flaw === undefined
    ? `kwik: for browsers: certificate ${hash} until ${day}`
    : `kwik: for browsers: certificate of an authority until ${day}`;
}

/** What `kwik serve --json` prints once it is ready; `browser` if browsers are served, `processes` if there are several. */
export function readyReport(
  dir: string,
  listener: Pick<Listener, "url" | "identity" | "certificate">,
  browser: BrowserCertificate | undefined,
  processes: readonly { readonly url: string; readonly pid: number }[] = [],
): object {
  const { url, identity, certificate } = listener;
  const several = processes.length === 0 ? {} : { processes: processes.map(({ url: own, pid }) => ({ url: own, pid })) };
  const report = { dir, url, identity, certificate, ...several };
  if (browser === undefined) return report;
  const { hash, validUntil, flaw } = browser;
  return { ...report, web: { certificateHash: flaw === undefined ? hash : null, validUntil: validUntil.toISOString() } };
}
