import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isIdentity, KwikError, PRIVATE_NAME_SUFFIX } from "@kwik/core";
import { parseCertificateHost } from "./certificate.ts";
import { certifyServer, type IssuedServer, issuedServerAt } from "./cluster.ts";
import { clusterFileText } from "./cluster-file.ts";
import {
  ClusterFileName,
  clusterFileOf,
  type ClusterFolder,
  exists,
  membersOf,
  newTicketKey,
  readClusterFolder,
  replaceFile,
  reportingIo,
  updateClusterFiles,
} from "./cluster-folder.ts";
import { identityOf } from "./identity.ts";
import { type RevocationList, signRevocationList } from "./revocation-list.ts";

export interface RenewServerOptions {
  /** Name of the server's folder. */
  readonly name: string;
  /** Host names and IP addresses from now on. Default: those of the certificate that is renewed. */
  readonly hosts?: readonly string[];
  /** Default 365; cut to the life of the authority. */
  readonly validDays?: number;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: number;
}

export interface RevokeOptions {
  /** Name of a folder in the cluster's, or an identity. */
  readonly who: string;
  /** For people. */
  readonly reason?: string;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: number;
}

/** What has to be copied to servers for a change to hold there. */
export interface ClusterChange {
  /** Folders of servers whose cluster.json is new. */
  readonly updated: readonly string[];
}

/**
 * Issues a server another certificate for the same key, so that its identity stays, in the place of its old one, and gives it the present cluster.json. Rejects with
 * INVALID_ARGUMENT for one that is not here, or was revoked; IO.
 */
export async function renewServer(dir: string, options: RenewServerOptions): Promise<IssuedServer> {
  const folder = await readClusterFolder(dir);
  const issued = issuedServerAt(join(dir, options.name), "");
  if (await exists(join(dir, options.name, ClusterFileName.clientKey)))
    throw new KwikError("INVALID_ARGUMENT", `${options.name} is a client, which is issued anew: under another name, with a new key`);
  if (!(await exists(issued.keyFile))) {
    throw new KwikError(
      "INVALID_ARGUMENT",
      `${issued.keyFile} cannot be read, so ${options.name} cannot be renewed; bring the key back, or issue the server anew under another name`,
    );
  }
  let renewed: IssuedServer | undefined;
  await reportingIo(`cannot renew ${issued.dir}`, async () => {
    const [keyPem, certPem] = await Promise.all([readFile(issued.keyFile, "utf8"), readFile(issued.certFile, "utf8")]);
    const key = createPrivateKey(keyPem);
    const identity = identityOf(key);
    refuseRevoked(folder, options.name, identity);
    const hosts = options.hosts === undefined ? hostsOf(certPem) : options.hosts.map(parseCertificateHost);
    const chain = certifyServer(folder, key, hosts, options);
    await replaceFile(issued.certFile, chain);
    await replaceFile(issued.clusterFile, clusterFileText(clusterFileOf(folder)));
    renewed = { ...issued, identity };
  });
  return renewed as IssuedServer;
}

/**
 * Revokes a server's or a client's key: writes the signed list (revoked.jws), makes the next key sign tickets and drops the present one, which a server that is
 * revoked has, and gives the other servers their new cluster.json. May be repeated: the list stays, the keys change once more. Rejects with INVALID_ARGUMENT for
 * nobody, or IO.
 */
export async function revoke(
  dir: string,
  options: RevokeOptions,
): Promise<ClusterChange & { readonly identity: string; readonly listFile: string }> {
  const folder = await readClusterFolder(dir);
  const identity = isIdentity(options.who) ? options.who : (await membersOf(dir)).find(({ name }) => name === options.who)?.identity;
  if (identity === undefined) {
    throw new KwikError("INVALID_ARGUMENT", `there is no ${options.who} in ${dir}; name a folder in it, or the identity, sha256:…`);
  }
  const entry = { identity, revokedAtMs: options.now ?? Date.now(), reason: options.reason ?? "" };
  const others = folder.revocations.revoked.filter((one) => one.identity !== identity);
  const revocations: RevocationList = { number: folder.revocations.number + 1, revoked: [...others, entry] };
  const revokedText = `${await signRevocationList(revocations, folder.ca, folder.caKey)}\n`;
  const listFile = join(dir, ClusterFileName.revoked);
  let updated: string[] = [];
  await reportingIo(`cannot write to ${dir}`, async () => {
    // The list first: should the rest fail, the same command does it.
    await replaceFile(listFile, revokedText);
    const rotated = await advanceTickets({ ...folder, revocations, revokedText }, false);
    updated = await updateClusterFiles(rotated);
  });
  return { identity, listFile, updated };
}

/**
 * Makes the next key sign tickets, and a new next one. Servers take each other's tickets whether they have the new cluster.json yet or not; they all have to have it before
 * the next rotation. In a folder that has no next key, only that is made: rotate again when the servers have it. Rejects with INVALID_ARGUMENT or IO.
 */
export async function rotateTicketKeys(dir: string): Promise<ClusterChange & { readonly hasRotated: boolean }> {
  const folder = await readClusterFolder(dir);
  const hasRotated = folder.tickets.next !== undefined;
  let updated: string[] = [];
  await reportingIo(`cannot write to ${dir}`, async () => {
    updated = await updateClusterFiles(await advanceTickets(folder, true));
  });
  return { hasRotated, updated };
}

/** The next key takes over; the present one stays good for tickets that are still under way, if `keepsPresent`. */
async function advanceTickets(folder: ClusterFolder, keepsPresent: boolean): Promise<ClusterFolder> {
  const { dir, tickets } = folder;
  const file = (name: string): string => join(dir, name);
  const fresh = newTicketKey();
  // Without a next key nobody knows it beforehand: a rotation waits until they do, a revocation cannot.
  if (tickets.next === undefined && keepsPresent) {
    await replaceFile(file(ClusterFileName.nextTicketKey), fresh.signing);
    await replaceFile(file(ClusterFileName.nextTicketPublic), fresh.verify);
    return { ...folder, tickets: { ...tickets, next: fresh } };
  }
  const now = tickets.next ?? newTicketKey();
  if (keepsPresent) await replaceFile(file(ClusterFileName.previousTicketPublic), tickets.current);
  else await rm(file(ClusterFileName.previousTicketPublic), { force: true });
  await replaceFile(file(ClusterFileName.ticketKey), now.signing);
  await replaceFile(file(ClusterFileName.ticketPublic), now.verify);
  await replaceFile(file(ClusterFileName.nextTicketKey), fresh.signing);
  await replaceFile(file(ClusterFileName.nextTicketPublic), fresh.verify);
  const previous = keepsPresent ? tickets.current : undefined;
  return { ...folder, tickets: { signing: now.signing, current: now.verify, next: fresh, previous } };
}

function refuseRevoked(folder: ClusterFolder, who: string, identity: string): void {
  const entry = folder.revocations.revoked.find((one) => one.identity === identity);
  if (entry === undefined) return;
  const day = new Date(entry.revokedAtMs).toISOString().slice(0, 10);
  throw new KwikError("INVALID_ARGUMENT", `${who} was revoked on ${day}; issue it anew under another name, with a new key`);
}

/** The hosts of a certificate, without its private name. */
function hostsOf(certPem: string): string[] {
  const names = new X509Certificate(certPem).subjectAltName ?? "";
  return names
    .split(", ")
    .map((entry) => entry.replace(/^(?:DNS|IP Address):/, ""))
    .filter((host) => host !== "" && !host.endsWith(`.${PRIVATE_NAME_SUFFIX}`))
    .map(parseCertificateHost);
}
