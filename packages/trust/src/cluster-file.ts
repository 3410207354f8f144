import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ClusterOptions, KwikError } from "@kwik/core";

/** What a server of a cluster knows: the tickets' keys for `listen`, the authority for dialling its siblings. */
export interface ClusterFile extends ClusterOptions {
  /** Certificate of the authority, PEM. */
  readonly ca: string;
}

const version = 1;

/**
 * Reads a server's cluster.json. Rejects with IO if it cannot be read, INVALID_ARGUMENT with the field in question if it is not one.
 */
export async function loadClusterFile(path: string): Promise<ClusterFile> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new KwikError(
      "IO",
      `cannot read the cluster file: ${(error as Error).message}; \`kwik cluster issue\` makes one for each server`,
      { cause: error },
    );
  }
  try {
    return parseClusterFile(text);
  } catch (error) {
    throw new KwikError("INVALID_ARGUMENT", `${path} is not a usable cluster file: ${(error as Error).message}`, { cause: error });
  }
}

/** What a cluster.json holds. It has a private key in it: for the owner's eyes only. */
export function clusterFileText({ ca, ticketVerifyKeys, ticketSigningKey, ticketLifetimeMs, revoked }: ClusterFile): string {
  const content = { version, ca, ticketVerifyKeys, ticketSigningKey, ticketLifetimeMs, revoked: revoked?.trim() };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

function parseClusterFile(text: string): ClusterFile {
  const json: unknown = JSON.parse(text);
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new Error("it is not a JSON object");
  const file = json as Readonly<Record<string, unknown>>;
  if (file.version !== version) throw new Error(`"version" is ${JSON.stringify(file.version)}, and this program reads version ${version}`);
  const ca = checkedText(file.ca, "ca", (pem) => new X509Certificate(pem));
  if (!Array.isArray(file.ticketVerifyKeys) || file.ticketVerifyKeys.length === 0)
    throw new Error('"ticketVerifyKeys" must list at least one public key');
  const ticketVerifyKeys = file.ticketVerifyKeys.map((key: unknown, index) =>
    checkedText(key, `ticketVerifyKeys[${index}]`, (pem) => requireEd25519(createPublicKey(pem).asymmetricKeyType)),
  );
  const cluster: ClusterFile = { ca, ticketVerifyKeys };
  if (file.ticketSigningKey !== undefined) {
    cluster.ticketSigningKey = checkedText(file.ticketSigningKey, "ticketSigningKey", (pem) =>
      requireEd25519(createPrivateKey(pem).asymmetricKeyType),
    );
  }
  if (file.ticketLifetimeMs !== undefined) {
    if (typeof file.ticketLifetimeMs !== "number" || !(file.ticketLifetimeMs > 0))
      throw new Error('"ticketLifetimeMs" must be a positive number');
    cluster.ticketLifetimeMs = file.ticketLifetimeMs;
  }
  if (file.revoked !== undefined) {
    if (typeof file.revoked !== "string") throw new Error('"revoked" must be the text of revoked.jws');
    cluster.revoked = file.revoked;
  }
  return cluster;
}

function checkedText(value: unknown, field: string, check: (pem: string) => unknown): string {
  if (typeof value !== "string") throw new Error(`"${field}" must be text in PEM`);
  try {
    check(value);
  } catch (error) {
    throw new Error(`"${field}" cannot be read: ${(error as Error).message}`);
  }
  return value;
}

function requireEd25519(type: string | undefined): void {
  if (type !== "ed25519") throw new Error(`it is a key of type ${type ?? "unknown"}, and tickets need Ed25519`);
}
