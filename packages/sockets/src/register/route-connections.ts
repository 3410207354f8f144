import { AsyncLocalStorage } from "node:async_hooks";
import { isIP, Socket } from "node:net";
import type { DialOptions } from "@kwik/core";
import { connectorOver } from "../net/connector.ts";
import type { TunnelRoute } from "../net/route.ts";
import { SocketCode } from "../net/attachment.ts";
import { connectError } from "../net/node-error.ts";
import { type Dial, SessionPool } from "../net/session-pool.ts";
import { type RouteRule, RouteTable } from "./route-rules.ts";
import { SocketBridge } from "./socket-bridge.ts";

/** What `net.Socket` has beside its public face. */
type InnerSocket = Socket & { connecting: boolean; _undestroy(): void; _handle: unknown };

interface ConnectCall {
  readonly host: string;
  readonly port: number;
  readonly listener: (() => void) | undefined;
}

/**
 * From now on every socket of this process that connects to a host and port that a rule names does so through the rule's gateway; the others are untouched. All of Node's
 * connections begin in `net.Socket.prototype.connect`: those of http, https, tls and fetch too. Answers a function that undoes it for later connections.
 */
export function routeConnections(dial: Dial, rules: readonly RouteRule[], dialOptions: DialOptions = {}): () => void {
  const own = new AsyncLocalStorage<true>();
  // kwik's own connections to the gateways are none of the program's.
  const connector = connectorOver(new SessionPool((target, options) => own.run(true, () => dial(target, options))));
  const table = new RouteTable(rules);
  const bridge = new SocketBridge();
  const connect = Reflect.get(Socket.prototype, "connect") as (this: Socket, ...args: unknown[]) => Socket;

  function routed(this: InnerSocket, ...args: unknown[]): Socket {
    const call = own.getStore() === true ? undefined : readCall(args);
    const gateways = call === undefined ? undefined : table.find(call.host, call.port);
    showPeer(this, undefined);
    if (call === undefined || gateways === undefined) return Reflect.apply(connect, this, args);
    const { host, port, listener } = call;
    const [gateway, ...servers] = gateways;
    const route: TunnelRoute = {
      kind: "tunnel",
      gateway,
      host,
      port,
      dial: servers.length === 0 ? dialOptions : { ...dialOptions, servers },
    };
    if (listener !== undefined) this.once("connect", listener);
    if (this.destroyed) this._undestroy();
    this.connecting = true;
    const abort = new AbortController();
    const giveUp = (): void => abort.abort();
    this.once("close", giveUp);
    void (async () => {
      const attachment = await connector(route, abort.signal);
      const leave = (): void => {
        attachment.stream.reset(SocketCode.reset);
        attachment.stream.stopReading(SocketCode.reset);
        attachment.release();
      };
      try {
        const bridgePort = await bridge.port();
        if (abort.signal.aborted) {
          leave();
          return;
        }
        // Before the program's own listeners of "connect", who may write at once.
        this.prependOnceListener("connect", () => {
          this.off("close", leave);
          showPeer(this, { host, port });
          bridge.join(this.localPort ?? 0, attachment);
        });
        this.off("close", giveUp).once("close", leave);
        this.setNoDelay(true);
        Reflect.apply(connect, this, [{ host: "127.0.0.1", port: bridgePort }]);
      } catch (error) {
        leave();
        throw error;
      }
    })().catch((error: unknown) => {
      if (!abort.signal.aborted) this.destroy(connectError(error, route));
    });
    return this;
  }

  Reflect.set(Socket.prototype, "connect", routed);
  return () => {
    if (Reflect.get(Socket.prototype, "connect") === routed) Reflect.set(Socket.prototype, "connect", connect);
  };
}

/** Where a call of `connect` leads; undefined for unix sockets, and for what `connect` itself will refuse. */
function readCall(args: readonly unknown[]): ConnectCall | undefined {
  // Inside Node the arguments come as one array.
  const given: readonly unknown[] = Array.isArray(args[0]) ? args[0] : args;
  const last = given.at(-1);
  const listener = typeof last === "function" ? (last as () => void) : undefined;
  const [first, second] = given;
  const options =
    typeof first === "object" && first !== null
      ? (first as { host?: unknown; port?: unknown; path?: unknown })
      : { port: first, host: typeof second === "string" ? second : undefined, path: undefined };
  if (typeof options.path === "string" && options.path !== "") return undefined;
  const port = Number(options.port);
  if (options.port === undefined || options.port === "" || !Number.isInteger(port) || port < 1 || port > 65535) return undefined;
  return { host: typeof options.host === "string" && options.host !== "" ? options.host : "localhost", port, listener };
}

/** The other side as the program dialled it, not the bridge; undefined for what the system says. */
function showPeer(socket: Socket, peer: { host: string; port: number } | undefined): void {
  for (const name of ["remoteAddress", "remotePort", "remoteFamily"]) Reflect.deleteProperty(socket, name);
  if (peer === undefined) return;
  Object.defineProperties(socket, {
    remoteAddress: { value: peer.host, configurable: true },
    remotePort: { value: peer.port, configurable: true },
    remoteFamily: { value: isIP(peer.host) === 6 ? "IPv6" : "IPv4", configurable: true },
  });
}
