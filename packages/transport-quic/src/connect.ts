import { formatAddress, KwikError } from "@kwik/core";
import type { ServerAddress } from "@kwik/core";
import { releaseBatch } from "./engine/batch-release.ts";
import { EventType, quicBinding } from "./engine/binding.ts";
import type { NativeClient, NativeEvent } from "./engine/binding.ts";
import { ClientConnection } from "./engine/client-connection.ts";
import { COMMON_OPTIONS } from "./engine/options.ts";
import { withoutAuthoritiesFile, withPrivateTmpdir } from "./engine/private-tmpdir.ts";
import { QuicLink } from "./quic-link.ts";
import { handshakeError, unreachable } from "./handshake-error.ts";
import { WriteTurns } from "./write-turns.ts";

/** One connection attempt to one IP address. */
export interface ConnectRequest {
  /** An IP address and port. */
  readonly address: ServerAddress;
  /** Name that the certificate must carry. */
  readonly serverName: string;
  /** Authorities in PEM, beside the system's. */
  readonly ca: string | undefined;
  /** Whether the server's certificate is checked at all. */
  readonly verify: boolean;
  /** What the handshake proves, for the link's properties. */
  readonly provenIdentity: string | undefined;
  readonly clientCertificate: { readonly cert: string; readonly key: string } | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** A receiver above failed; the link was closed. */
  onNotice(message: string): void;
}

/** Connects. Rejects with UNREACHABLE, NOT_TRUSTED, NOT_KWIK, ABORTED or INVALID_ARGUMENT; leaves nothing behind then. */
export function connectQuic(request: ConnectRequest): Promise<QuicLink> {
  return new Promise((resolve, reject) => {
    const where = formatAddress(request.address);
    if (request.signal?.aborted === true) {
      reject(new KwikError("ABORTED", `dialling ${where} was aborted`, { cause: request.signal.reason }));
      return;
    }
    const turns = new WriteTurns();
    let link: QuicLink | undefined;
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
      clearTimeout(timer);
      request.signal?.removeEventListener("abort", onAbort);
    };
    const fail = (error: KwikError): void => {
      if (isSettled) return;
      settle();
      connection.close(0, "");
      reject(error);
    };
    const onAbort = (): void => fail(new KwikError("ABORTED", `dialling ${where} was aborted`, { cause: request.signal?.reason }));

    const onEvent = (event: NativeEvent): void => {
      if (event.eventType === EventType.shutdown) connection.onShutdown();
      else if (event.eventType === EventType.writeReady) turns.run();
      else if (link !== undefined) link.handle(event);
      else if (event.eventType === EventType.close) fail(handshakeError(event, where, request.serverName));
      else if (event.eventType === EventType.handshake && !isSettled) {
        settle();
        link = new QuicLink(connection, turns, true, {
          transport: "quic",
          remoteAddress: where,
          localAddress: localAddress(native),
          provenIdentity: request.provenIdentity,
          clientIdentity: undefined,
        });
        resolve(link);
      }
      if (event.eventType === EventType.close) connection.close(0, ""); // lets the engine's thread end
    };
    const onBatch = (_error: Error | null, events: readonly NativeEvent[] | null): void => {
      if (events === null) return;
      try {
        for (const event of events) onEvent(event);
        link?.endBatch();
      } catch (error) {
        request.onNotice(`the receiver of a link to ${where} failed: ${describe(error)}`);
        link?.fail("the receiver failed");
      } finally {
        releaseBatch(native, events.length);
      }
    };

    let native: NativeClient;
    try {
      const make = request.verify && request.ca === undefined ? withPrivateTmpdir : withoutAuthoritiesFile;
      native = make(() => {
        const made = new (quicBinding().NativeQuicClient)(clientOptions(request), onBatch);
        made.connect(where, request.serverName);
        return made;
      });
    } catch (error) {
      reject(startError(error, where, request));
      return;
    }
    const connection = new ClientConnection(native);
    const timer = setTimeout(() => fail(unreachable(where, request.timeoutMs)), request.timeoutMs);
    request.signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function clientOptions(request: ConnectRequest): ConstructorParameters<ReturnType<typeof quicBinding>["NativeQuicClient"]>[0] {
  return {
    ...COMMON_OPTIONS,
    ca: request.ca === undefined ? undefined : Buffer.from(request.ca),
    cert: request.clientCertificate === undefined ? undefined : Buffer.from(request.clientCertificate.cert),
    key: request.clientCertificate === undefined ? undefined : Buffer.from(request.clientCertificate.key),
    // audited: the plan says no for certificate queries, which prove nothing, and where the user wants no proof.
    rejectUnauthorized: request.verify,
  };
}

function startError(error: unknown, where: string, request: ConnectRequest): KwikError {
  if (error instanceof KwikError) return error;
  const message = describe(error);
  if (!/tls|certificate|key/i.test(message))
    return new KwikError("UNREACHABLE", `${where} cannot be dialled: ${message}`, { cause: error });
  const what = request.clientCertificate === undefined ? "certificate authorities" : "certificate authorities or the client certificate";
  return new KwikError("INVALID_ARGUMENT", `the given ${what} cannot be used; they must be PEM (${message})`, { cause: error });
}

function localAddress(native: NativeClient): string | undefined {
  try {
    const { address, port } = native.localAddress();
    return formatAddress({ host: address, port });
  } catch {
    return undefined;
  }
}

/** The text of anything thrown. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
