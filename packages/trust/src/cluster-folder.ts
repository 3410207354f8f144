import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { access, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KwikError } from "@kwik/core";
import { privateKeyPem } from "./certificate.ts";
import { type ClusterFile, clusterFileText } from "./cluster-file.ts";
import { identityOf } from "./identity.ts";
import { readRevocationList, type RevocationList } from "./revocation-list.ts";

/** Names of the files in a cluster's folder. */
export const ClusterFileName = {
  ca: "ca.pem",
  caKey: "ca.key",
  ticketKey: "ticket.key",
  ticketPublic: "ticket.pub",
  nextTicketKey: "ticket-next.key",
  nextTicketPublic: "ticket-next.pub",
  previousTicketPublic: "ticket-previous.pub",
  revoked: "revoked.jws",
  serverCert: "server.pem",
  serverKey: "server.key",
  clientCert: "client.pem",
  clientKey: "client.key",
  cluster: "cluster.json",
} as const;

/** Keys of join tickets, PEM. */
export interface TicketKeys {
  /** Signs now. */
  readonly signing: string;
  /** Its public half. */
  readonly current: string;
  /** What signs after the next rotation; undefined in folders that have none yet. */
  readonly next: { readonly signing: string; readonly verify: string } | undefined;
  /** What signed before; undefined before the first rotation, and after a revocation. */
  readonly previous: string | undefined;
}

/** What a cluster's folder holds. */
export interface ClusterFolder {
  readonly dir: string;
  readonly ca: X509Certificate;
  readonly caKey: KeyObject;
  readonly tickets: TicketKeys;
  readonly revocations: RevocationList;
  /** The signed text of `revocations`; undefined before the first revocation. */
  readonly revokedText: string | undefined;
}

/** Reads a cluster. Rejects with INVALID_ARGUMENT if there is none, or if it is damaged; with IO if a file of it is there and cannot be read. */
export async function readClusterFolder(dir: string): Promise<ClusterFolder> {
  const optional = (file: string): Promise<string | undefined> => textOf(join(dir, file));
  const required = async (file: string): Promise<string> => {
    const text = await readFile(join(dir, file), "utf8").catch(() => undefined);
    if (text !== undefined) return text;
    throw new KwikError("INVALID_ARGUMENT", `${dir} holds no cluster (${file} cannot be read); make one with \`kwik cluster init ${dir}\``);
  };
  const name = ClusterFileName;
  const [ca, caKey, signing, current] = await Promise.all([name.ca, name.caKey, name.ticketKey, name.ticketPublic].map(required));
  const [nextSigning, nextVerify, previous, revokedText] = await Promise.all(
    [name.nextTicketKey, name.nextTicketPublic, name.previousTicketPublic, name.revoked].map(optional),
  );
  try {
    const certificate = new X509Certificate(ca as string);
    const key = createPrivateKey(caKey as string);
    if (!certificate.checkPrivateKey(key)) throw new Error(`${name.caKey} is not the key of ${name.ca}`);
    requirePair(signing as string, current as string, name.ticketKey, name.ticketPublic);
    const hasNext = nextSigning !== undefined && nextVerify !== undefined;
    if (hasNext) requirePair(nextSigning, nextVerify, name.nextTicketKey, name.nextTicketPublic);
    return {
      dir,
      ca: certificate,
      caKey: key,
      tickets: {
        signing: signing as string,
        current: current as string,
        next: hasNext ? { signing: nextSigning, verify: nextVerify } : undefined,
        previous,
      },
      revocations: revokedText === undefined ? { number: 0, revoked: [] } : await readRevocationList(revokedText, ca as string),
      revokedText,
    };
  } catch (error) {
    throw new KwikError(
      "INVALID_ARGUMENT",
      `the cluster in ${dir} is damaged: ${(error as Error).message}; restore its files from a backup`,
      { cause: error },
    );
  }
}

/** The text of a file, or undefined if there is none. One that is there and cannot be read is not taken for none: what it says may be who is not to be believed. */
async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new KwikError("IO", `${file} cannot be read: ${message}`, { cause: error });
  }
}

/** What a server of the cluster is given as cluster.json. */
export function clusterFileOf({ ca, tickets, revokedText }: ClusterFolder): ClusterFile {
  const verify = [tickets.current, tickets.next?.verify, tickets.previous].filter((key) => key !== undefined);
  return {
    ca: ca.toString(),
    ticketVerifyKeys: verify,
    ticketSigningKey: tickets.signing,
    ...(revokedText === undefined ? {} : { revoked: revokedText }),
  };
}

/** A new pair of keys for tickets, PEM. */
export function newTicketKey(): { readonly signing: string; readonly verify: string } {
  const pair = generateKeyPairSync("ed25519");
  return { signing: privateKeyPem(pair.privateKey), verify: pair.publicKey.export({ type: "spki", format: "pem" }) };
}

/** Whoever has a folder of its own in the cluster's, and its key. */
export interface ClusterMember {
  /** Name of the folder. */
  readonly name: string;
  readonly identity: string;
  /** Whether it is a server; else a client. */
  readonly isServer: boolean;
}

/** Everybody that was issued a certificate here and whose folder is still there, by name. */
export async function membersOf(dir: string): Promise<ClusterMember[]> {
  const members: ClusterMember[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    for (const isServer of [true, false]) {
      const file = isServer ? ClusterFileName.serverCert : ClusterFileName.clientCert;
      const pem = await textOf(join(dir, entry.name, file));
      if (pem !== undefined) members.push({ name: entry.name, identity: identityOf(pem), isServer });
    }
  }
  return members.sort((a, b) => a.name.localeCompare(b.name));
}

/** Gives every server that was not revoked the present cluster.json; answers their folders' names. */
export async function updateClusterFiles(folder: ClusterFolder): Promise<string[]> {
  const revoked = new Set(folder.revocations.revoked.map((entry) => entry.identity));
  const text = clusterFileText(clusterFileOf(folder));
  const updated: string[] = [];
  for (const member of await membersOf(folder.dir)) {
    if (!member.isServer || revoked.has(member.identity)) continue;
    await replaceFile(join(folder.dir, member.name, ClusterFileName.cluster), text);
    updated.push(member.name);
  }
  return updated;
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Never overwrites. Keys are for their owner's eyes; certificates are made to be handed out. */
export function writeNewFile(path: string, text: string): Promise<void> {
  return writeFile(path, text, { mode: modeOf(text), flag: "wx" });
}

/** Puts a file in the place of another at once: nobody ever reads half of it. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await rm(temporary, { force: true });
    await writeNewFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Runs `work`; what the file system says of it is an IO error that begins with `what`. */
export async function reportingIo(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof KwikError) throw error;
    throw new KwikError("IO", `${what}: ${(error as Error).message}`, { cause: error });
  }
}

function modeOf(text: string): number {
  return text.includes("PRIVATE KEY") ? 0o600 : 0o644;
}

function requirePair(signing: string, verify: string, keyFile: string, publicFile: string): void {
  if (identityOf(createPrivateKey(signing)) !== identityOf(createPublicKey(verify)))
    throw new Error(`${keyFile} is not the key of ${publicFile}`);
}
