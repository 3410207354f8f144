import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { GatewayClient } from "@kwik/gateway";
import { type AuthRequest, type AuthResult, parseAddress, prefixOf, type ServerSession } from "kwik";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";

/** The names of clients by the hash of their tokens: a look-up by hash tells nothing by its time. */
export type ClientTokens = ReadonlyMap<string, string>;

/** Reads lines of `NAME TOKEN`; empty ones and those that begin with # are passed over. */
export async function readTokens(file: string): Promise<ClientTokens> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new CommandError(ExitStatus.local, `cannot read ${file}: ${sentenceOf(error)}`, { cause: error });
  });
  const tokens = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const match = /^\s*(\S+)\s+(\S+)\s*$/.exec(line);
    if (match === null)
      throw new CommandError(ExitStatus.usage, `${file}, line ${index + 1}: write a client's name, a blank and its token`);
    tokens.set(hashOf(match[2] as string), match[1] as string);
  }
  if (tokens.size > 0) return tokens;
  throw new CommandError(ExitStatus.usage, `${file} has no token, so nobody could connect; write lines of a name, a blank and a token`);
}

/**
 * Lets in who has one of the tokens, or everybody where there are none. The identity that a session gets by it is a client's name and the address that it
 * came from first; `clientOf` takes it apart.
 */
export function authenticateBy(tokens: ClientTokens | undefined): (request: AuthRequest) => AuthResult {
  return ({ token, clientIdentity, remoteAddress }) => {
    const name =
      tokens === undefined ? (clientIdentity ?? prefixOf(remoteAddress)) : token === undefined ? undefined : tokens.get(hashOf(token));
    return name === undefined ? { ok: false, reason: "the token is not known here" } : { ok: true, identity: `${name} ${remoteAddress}` };
  };
}

/** Whose session it is. One that another server vouched for has not been asked, and is by itself. */
export function clientOf(session: Pick<ServerSession, "id" | "clientIdentity">): GatewayClient {
  const match = /^(\S+) (\S+)$/.exec(session.clientIdentity ?? "");
  if (match === null) return { name: `session ${session.id}`, source: undefined };
  return { name: match[1] as string, source: parseAddress(match[2] as string) };
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
