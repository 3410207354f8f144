import { createPublicKey, type KeyObject, type X509Certificate } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { KwikError } from "@kwik/core";
import { makeAuthorityVoucher } from "./authority-voucher.ts";
import { newServerKey, parseCertificateHost, privateKeyPem, signCertificate } from "./certificate.ts";
import { clusterFileText } from "./cluster-file.ts";
import {
  ClusterFileName,
  clusterFileOf,
  type ClusterFolder,
  exists,
  newTicketKey,
  readClusterFolder,
  reportingIo,
  writeNewFile,
} from "./cluster-folder.ts";
import { identityOf, privateNameOf } from "./identity.ts";

export interface InitClusterOptions {
  /** Life of the authority. Default 3650. */
  readonly validDays?: number;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: number;
}

export interface ClusterFiles {
  /** Certificate of the authority: what clients are given. */
  readonly caFile: string;
  readonly ticketPublicKeyFile: string;
  /** Identity of the authority's key; not that of any server. */
  readonly identity: string;
}

export interface IssueServerOptions {
  /** Host names and IP addresses under which clients dial the server; at least one. */
  readonly hosts: readonly string[];
  /** Name of the folder that is written. Default: the first host. Letters, digits, ".", "_", "-". */
  readonly name?: string;
  /** Default 365; cut to the life of the authority. */
  readonly validDays?: number;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: number;
}

export interface IssueClientOptions {
  /** Name of the folder that is written. Letters, digits, ".", "_", "-". */
  readonly name: string;
  /** Default 365; cut to the life of the authority. */
  readonly validDays?: number;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: number;
}

export interface IssuedClient {
  readonly dir: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly identity: string;
}

export interface IssuedServer {
  readonly dir: string;
  /** Certificate chain for `kwik serve --cert`. */
  readonly certFile: string;
  readonly keyFile: string;
  /** For `kwik serve --cluster`. */
  readonly clusterFile: string;
  readonly identity: string;
}

const dayMs = 86_400_000;

/**
 * Makes a cluster in `dir`: an authority for certificates (ca.pem, ca.key), the key pair that signs join tickets (ticket.key, ticket.pub) and the one that will
 * after it (ticket-next.key, ticket-next.pub), keys readable by the owner only. Rejects with INVALID_ARGUMENT if there is one already, IO if it cannot be written.
 */
export async function initCluster(dir: string, options: InitClusterOptions = {}): Promise<ClusterFiles> {
  const { ca: caFile, caKey, ticketKey, ticketPublic, nextTicketKey, nextTicketPublic } = ClusterFileName;
  for (const file of [caFile, caKey, ticketKey, ticketPublic, nextTicketKey, nextTicketPublic]) {
    if (await exists(join(dir, file))) {
      throw new KwikError(
        "INVALID_ARGUMENT",
        `there is a cluster in ${dir} already (${file}); choose another folder, or delete it if no server uses it`,
      );
    }
  }
  const pair = await newServerKey();
  const identity = identityOf(pair.publicKey);
  // Part of the key's hash in the name keeps the authorities of different clusters apart in any store.
  const commonName = `kwik cluster ${identity.slice(7, 23)}`;
  const ca = signCertificate(
    {
      commonName,
      publicKey: pair.publicKey,
      names: [],
      isAuthority: true,
      validDays: options.validDays ?? 3650,
      nowMs: options.now ?? Date.now(),
    },
    { commonName, ...pair },
  );
  const [ticket, next] = [newTicketKey(), newTicketKey()];
  await reportingIo(`cannot write the cluster to ${dir}`, async () => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeAllNew(dir, [
      [caKey, privateKeyPem(pair.privateKey)],
      [ticketKey, ticket.signing],
      [ticketPublic, ticket.verify],
      [nextTicketKey, next.signing],
      [nextTicketPublic, next.verify],
      [caFile, ca],
    ]);
  });
  return { caFile: join(dir, caFile), ticketPublicKeyFile: join(dir, ticketPublic), identity };
}

/**
 * Issues a certificate for one server of the cluster in `dir` and writes all that the server needs to `dir/name`: server.pem, server.key
 * and cluster.json, readable by the owner only. Rejects with INVALID_ARGUMENT (no cluster there, name taken, malformed host), or IO.
 */
export async function issueServer(dir: string, options: IssueServerOptions): Promise<IssuedServer> {
  const hosts = options.hosts.map(parseCertificateHost);
  const name = folderName(options.name ?? hosts[0]?.replace(/^\*\./, "").replaceAll(":", "-"));
  const folder = await readClusterFolder(dir);
  const out = await freeFolder(dir, name);
  const pair = await newServerKey();
  const chain = certifyServer(folder, pair.privateKey, hosts, options);
  const issued = issuedServerAt(out, identityOf(pair.publicKey));
  await writeFolder(out, [
    [ClusterFileName.serverKey, privateKeyPem(pair.privateKey)],
    [ClusterFileName.serverCert, chain],
    [ClusterFileName.cluster, clusterFileText(clusterFileOf(folder))],
  ]);
  return issued;
}

/**
 * Issues a certificate for a client, for servers that listen with ca.pem as `clientCa`: writes client.pem and client.key to `dir/name`. Rejects as
 * `issueServer`.
 */
export async function issueClient(dir: string, options: IssueClientOptions): Promise<IssuedClient> {
  const name = folderName(options.name);
  const folder = await readClusterFolder(dir);
  const out = await freeFolder(dir, name);
  const pair = await newServerKey();
  const identity = identityOf(pair.publicKey);
  const certificate = certify(folder, pair.publicKey, `kwik client ${name}`.slice(0, 64), undefined, options);
  await writeFolder(out, [
    [ClusterFileName.clientKey, privateKeyPem(pair.privateKey)],
    [ClusterFileName.clientCert, certificate + folder.ca.toString()],
  ]);
  return { dir: out, certFile: join(out, ClusterFileName.clientCert), keyFile: join(out, ClusterFileName.clientKey), identity };
}

/** Where the files of a server are. */
export function issuedServerAt(dir: string, identity: string): IssuedServer {
  return {
    dir,
    certFile: join(dir, ClusterFileName.serverCert),
    keyFile: join(dir, ClusterFileName.serverKey),
    clusterFile: join(dir, ClusterFileName.cluster),
    identity,
  };
}

/** A certificate chain for a server's key, PEM, with the key's word for the authority. Throws INVALID_ARGUMENT if the authority has expired. */
export function certifyServer(
  folder: ClusterFolder,
  serverKey: KeyObject,
  hosts: readonly string[],
  options: { readonly validDays?: number; readonly now?: number },
): string {
  const publicKey = createPublicKey(serverKey);
  const identity = identityOf(publicKey);
  const names = [...hosts, privateNameOf(identity)];
  const certificate = certify(folder, publicKey, `kwik server ${identity.slice(7, 23)}`, names, options);
  return certificate + folder.ca.toString() + makeAuthorityVoucher(serverKey, folder.ca);
}

function certify(
  { dir, ca, caKey }: ClusterFolder,
  publicKey: KeyObject,
  commonName: string,
  /** Undefined for a client. */
  names: readonly string[] | undefined,
  options: { readonly validDays?: number; readonly now?: number },
): string {
  const nowMs = options.now ?? Date.now();
  const remainingDays = (Date.parse(ca.validTo) - nowMs) / dayMs;
  if (remainingDays <= 0) throw new KwikError("INVALID_ARGUMENT", `the authority in ${dir} expired on ${ca.validTo}; make a new cluster`);
  return signCertificate(
    {
      commonName,
      publicKey,
      names: names ?? [],
      isAuthority: false,
      isClient: names === undefined,
      validDays: Math.min(options.validDays ?? 365, remainingDays),
      nowMs,
    },
    { commonName: commonNameOf(ca), publicKey: ca.publicKey, privateKey: caKey },
  );
}

async function freeFolder(dir: string, name: string): Promise<string> {
  const out = join(dir, name);
  if (!(await exists(out))) return out;
  throw new KwikError(
    "INVALID_ARGUMENT",
    `${out} exists already; renew it with \`kwik cluster renew\`, or choose another name to issue anew (with a new identity)`,
  );
}

async function writeFolder(out: string, files: readonly (readonly [string, string])[]): Promise<void> {
  await reportingIo(`cannot write to ${out}`, async () => {
    await mkdir(out, { mode: 0o700 });
    try {
      for (const [name, text] of files) await writeNewFile(join(out, name), text);
    } catch (error) {
      await rm(out, { recursive: true, force: true });
      throw error;
    }
  });
}

function folderName(name: string | undefined): string {
  if (name === undefined) throw new KwikError("INVALID_ARGUMENT", "a server needs at least one host name or IP address; give --host");
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(name)) return name;
  throw new KwikError("INVALID_ARGUMENT", `"${name}" cannot name a folder here; use letters, digits, ".", "_" and "-"`);
}

function commonNameOf(certificate: X509Certificate): string {
  return certificate.subject.replace(/^CN=/, "");
}

/** Writes all of them or, as far as it can, none. */
async function writeAllNew(dir: string, files: readonly (readonly [string, string])[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const [name, text] of files) {
      await writeNewFile(join(dir, name), text);
      written.push(join(dir, name));
    }
  } catch (error) {
    for (const path of written) await rm(path, { force: true });
    throw error;
  }
}
