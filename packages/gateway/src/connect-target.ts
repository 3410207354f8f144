import { connect, type LookupFunction, type NetConnectOpts, type Socket } from "node:net";
import type { TunnelRefusal } from "@kwik/tunnel";

/** How long one address of a target has for itself before the next is tried, in milliseconds. */
const HEAD_START_MS = 250;

export type Destination = { readonly ips: readonly string[]; readonly port: number } | { readonly path: string };

export type Connection =
  | { readonly ok: true; readonly socket: Socket }
  | { readonly ok: false; readonly refusal: TunnelRefusal; readonly reason: string };

/** Connects to a unix socket, or to the first of some addresses that answers; never to another one. Never rejects. */
export function connectTarget(destination: Destination, timeoutMs: number, signal: AbortSignal): Promise<Connection> {
  return new Promise((resolve) => {
    const socket = connect(optionsFor(destination));
    const finish = (outcome: Connection): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect).off("error", onError);
      if (!outcome.ok) socket.on("error", () => undefined).destroy();
      resolve(outcome);
    };
    const onConnect = (): void => finish({ ok: true, socket });
    const onError = (error: Error): void => finish({ ok: false, ...refusalFor(error) });
    const onAbort = (): void => finish({ ok: false, refusal: "failed", reason: "the client gave up" });
    const timer = setTimeout(() => finish({ ok: false, refusal: "timed-out", reason: `no answer within ${timeoutMs} ms` }), timeoutMs);
    socket.once("connect", onConnect).once("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function optionsFor(destination: Destination): NetConnectOpts {
  if ("path" in destination) return { path: destination.path, allowHalfOpen: true };
  const { ips, port } = destination;
  const lookup: LookupFunction = (_name, options, callback) => {
    const found = ips.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    if (options.all === true) callback(null, found);
    else callback(null, found[0]?.address ?? "", found[0]?.family ?? 4);
  };
  const host = ips.length === 1 ? (ips[0] as string) : "the-checked-addresses.invalid";
  return { host, port, lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: HEAD_START_MS, allowHalfOpen: true, noDelay: true };
}

const refusals: Readonly<Record<string, TunnelRefusal>> = {
  ECONNREFUSED: "connection-refused",
  ECONNRESET: "connection-refused",
  ETIMEDOUT: "timed-out",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ENOENT: "connection-refused",
};

function refusalFor(error: Error): { refusal: TunnelRefusal; reason: string } {
  // Several addresses fail with one error each; one that was there counts most.
  const errors = (error instanceof AggregateError ? error.errors : [error]) as NodeJS.ErrnoException[];
  const codes = errors.map((one) => one.code ?? "");
  const code = codes.find((one) => one === "ECONNREFUSED") ?? codes[0] ?? "";
  const refusal = refusals[code] ?? "failed";
  return { refusal, reason: refusal === "failed" ? `the target cannot be connected (${code})` : `the target: ${refusal}` };
}
