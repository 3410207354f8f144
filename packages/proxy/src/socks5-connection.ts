import type { Socket } from "node:net";
import { isKwikError } from "@kwik/core";
import { describeTarget } from "@kwik/tunnel";
import { endWith } from "./end-with.ts";
import { failureName } from "./failure-name.ts";
import type { ProxyLedger } from "./proxy-ledger.ts";
import { associate } from "./socks5-association.ts";
import {
  encodeSocksReply,
  MAX_SOCKS_MESSAGE_BYTES,
  parseGreeting,
  parsePassword,
  parseSocksRequest,
  SocksCommand,
  SocksMethod,
  SocksReply,
  type SocksRequest,
  socksReplyOf,
} from "./socks5-codec.ts";
import { readMessage } from "./socket-reader.ts";
import type { TunnelDialer } from "./tunnel-dialer.ts";
import type { Users } from "./users.ts";

export interface Socks5Options {
  readonly dialer: TunnelDialer;
  readonly ledger: ProxyLedger;
  readonly users: Users;
  readonly handshakeTimeoutMs: number;
}

/** Serves one client of SOCKS5: CONNECT and UDP ASSOCIATE, without or with user and password. */
export async function serveSocks5(socket: Socket, signal: AbortSignal, options: Socks5Options): Promise<void> {
  const { dialer, ledger } = options;
  const request = await handshake(socket, options);
  if (request === undefined) return;
  const { command, address } = request;
  if (command === SocksCommand.associate) return associate(socket, signal, address, options);
  if (command !== SocksCommand.connect || address === undefined) {
    const reply = command === SocksCommand.connect ? SocksReply.addressNotSupported : SocksReply.commandNotSupported;
    ledger.malformed("socks5", `a request that is not served: command ${command}`);
    endWith(socket, encodeSocksReply(reply));
    return;
  }
  const target = { kind: "tcp", ...address } as const;
  try {
    const dialled = await dialer.connect(target, signal);
    socket.write(encodeSocksReply(SocksReply.succeeded, dialled.bound));
    await ledger.join("socks5", target, socket, dialled);
  } catch (error) {
    ledger.refused("socks5", describeTarget(target), error);
    endWith(socket, encodeSocksReply(socksReplyOf(failureName(error))));
  }
}

/** The request; undefined if there is none, and the client was told why. */
async function handshake(socket: Socket, { users, ledger, handshakeTimeoutMs }: Socks5Options): Promise<SocksRequest | undefined> {
  const timer = setTimeout(() => socket.destroy(), handshakeTimeoutMs);
  try {
    const offered = await readMessage(socket, parseGreeting, MAX_SOCKS_MESSAGE_BYTES);
    const method = users.isEmpty ? SocksMethod.none : SocksMethod.password;
    if (!offered.includes(method)) {
      ledger.malformed("socks5", `the client offers no way of authentication that is used here (${users.isEmpty ? "none" : "password"})`);
      endWith(socket, Uint8Array.of(5, SocksMethod.unacceptable));
      return undefined;
    }
    socket.write(Uint8Array.of(5, method));
    if (method === SocksMethod.password) {
      const { name, password } = await readMessage(socket, parsePassword, MAX_SOCKS_MESSAGE_BYTES);
      if (!users.knows(name, password)) {
        ledger.unauthorized("socks5");
        endWith(socket, Uint8Array.of(1, 1));
        return undefined;
      }
      socket.write(Uint8Array.of(1, 0));
    }
    return await readMessage(socket, parseSocksRequest, MAX_SOCKS_MESSAGE_BYTES);
  } catch (error) {
    ledger.malformed("socks5", isKwikError(error) ? error.message : String(error));
    socket.destroy();
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
