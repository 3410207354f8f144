import type { TLSSocket } from "node:tls";

/** OpenSSL's code for what is wrong with the chain that the other side showed; undefined if it is good. */
export function chainError(socket: Pick<TLSSocket, "authorized" | "authorizationError">): string | undefined {
  if (socket.authorized) return undefined;
  // The declared type says Error; Node sets the code.
  const error: unknown = socket.authorizationError;
  return typeof error === "string" ? error : error instanceof Error ? error.message : "not verified";
}
