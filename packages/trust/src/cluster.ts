import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { access, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KwikError } from "@kwik/core";
import { makeAuthorityVoucher } from "./authority-voucher.ts";
import { newServerKey, parseCertificateHost, privateKeyPem, signCertificate } from "./certificate.ts";
import { type ClusterFile, writeClusterFile } from "./cluster-file.ts";
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

export interface IssuedServer {
  readonly dir: string;
  /** Certificate chain for `kwik serve --cert`. */
  readonly certFile: string;
  readonly keyFile: string;
  /** For `kwik serve --cluster`. */
  readonly clusterFile: string;
  readonly identity: string;
}

const caFileName = "ca.pem";
const caKeyFileName = "ca.key";
const ticketKeyFileName = "ticket.key";
const ticketPublicFileName = "ticket.pub";
const dayMs = 86_400_000;

/**
 * Makes a cluster in `dir`: an authority for server certificates (ca.pem, ca.key) and a key pair that signs join tickets (ticket.key,
 * ticket.pub), readable by the owner only. Rejects with INVALID_ARGUMENT if there is one already, IO if it cannot be written.
 */
export async function initCluster(dir: string, options: InitClusterOptions = {}): Promise<ClusterFiles> {
  for (const file of [caFileName, caKeyFileName, ticketKeyFileName, ticketPublicFileName]) {
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
  const ticket = generateKeyPairSync("ed25519");
  await reportingIo(`cannot write the cluster to ${dir}`, async () => {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeAllNew(dir, [
      [caKeyFileName, privateKeyPem(pair.privateKey)],
      [ticketKeyFileName, privateKeyPem(ticket.privateKey)],
      [ticketPublicFileName, ticket.publicKey.export({ type: "spki", format: "pem" })],
      [caFileName, ca],
    ]);
  });
  return { caFile: join(dir, caFileName), ticketPublicKeyFile: join(dir, ticketPublicFileName), identity };
}

/**
 * Issues a certificate for one server of the cluster in `dir` and writes all that the server needs to `dir/name`: server.pem, server.key
 * and cluster.json, readable by the owner only. Rejects with INVALID_ARGUMENT (no cluster there, name taken, malformed host), or IO.
 */
export async function issueServer(dir: string, options: IssueServerOptions): Promise<IssuedServer> {
  const hosts = options.hosts.map(parseCertificateHost);
  const name = folderName(options.name ?? hosts[0]?.replace(/^\*\./, "").replaceAll(":", "-"));
  const { ca, caKey, cluster } = await readCluster(dir);
  const out = join(dir, name);
  if (await exists(out)) {
    throw new KwikError(
      "INVALID_ARGUMENT",
      `${out} exists already; choose another name, or delete the folder to issue the server anew (it gets a new identity)`,
    );
  }
  const nowMs = options.now ?? Date.now();
  const remainingDays = (Date.parse(ca.validTo) - nowMs) / dayMs;
  if (remainingDays <= 0) throw new KwikError("INVALID_ARGUMENT", `the authority in ${dir} expired on ${ca.validTo}; make a new cluster`);
  const pair = await newServerKey();
  const identity = identityOf(pair.publicKey);
  const certificate = signCertificate(
    {
      commonName: `kwik server ${identity.slice(7, 23)}`,
      publicKey: pair.publicKey,
      names: [...hosts, privateNameOf(identity)],
      isAuthority: false,
      validDays: Math.min(options.validDays ?? 365, remainingDays),
      nowMs,
    },
    { commonName: commonNameOf(ca), publicKey: ca.publicKey, privateKey: caKey },
  );
  const issued = {
    dir: out,
    certFile: join(out, "server.pem"),
    keyFile: join(out, "server.key"),
    clusterFile: join(out, "cluster.json"),
    identity,
  };
  await reportingIo(`cannot write the server's files to ${out}`, async () => {
    await mkdir(out, { mode: 0o700 });
    try {
      await writeNew(issued.keyFile, privateKeyPem(pair.privateKey));
      await writeNew(issued.certFile, certificate + ca.toString() + makeAuthorityVoucher(pair.privateKey, ca));
      await writeClusterFile(issued.clusterFile, cluster);
    } catch (error) {
      await rm(out, { recursive: true, force: true });
      throw error;
    }
  });
  return issued;
}

async function readCluster(dir: string): Promise<{ ca: X509Certificate; caKey: KeyObject; cluster: ClusterFile }> {
  const read = async (file: string): Promise<string> => {
    try {
      return await readFile(join(dir, file), "utf8");
    } catch (error) {
      throw new KwikError(
        "INVALID_ARGUMENT",
        `${dir} holds no cluster (${file} cannot be read); make one with \`kwik cluster init ${dir}\``,
        { cause: error },
      );
    }
  };
  const [ca, caKey, ticketSigningKey, ticketVerifyKey] = await Promise.all(
    [caFileName, caKeyFileName, ticketKeyFileName, ticketPublicFileName].map(read),
  );
  try {
    const certificate = new X509Certificate(ca as string);
    const key = createPrivateKey(caKey as string);
    if (!certificate.checkPrivateKey(key)) throw new Error(`${caKeyFileName} is not the key of ${caFileName}`);
    return {
      ca: certificate,
      caKey: key,
      cluster: { ca: ca as string, ticketVerifyKeys: [ticketVerifyKey as string], ticketSigningKey: ticketSigningKey },
    };
  } catch (error) {
    throw new KwikError(
      "INVALID_ARGUMENT",
      `the cluster in ${dir} is damaged: ${(error as Error).message}; restore its files from a backup`,
      { cause: error },
    );
  }
}

function folderName(name: string | undefined): string {
  if (name === undefined) throw new KwikError("INVALID_ARGUMENT", "a server needs at least one host name or IP address; give --host");
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(name)) return name;
  throw new KwikError("INVALID_ARGUMENT", `"${name}" cannot name a folder here; use letters, digits, ".", "_" and "-"`);
}

function commonNameOf(certificate: X509Certificate): string {
  return certificate.subject.replace(/^CN=/, "");
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Writes all of them or, as far as it can, none. */
async function writeAllNew(dir: string, files: readonly (readonly [string, string])[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const [name, text] of files) {
      await writeNew(join(dir, name), text);
      written.push(join(dir, name));
    }
  } catch (error) {
    for (const path of written) await rm(path, { force: true });
    throw error;
  }
}

/** Never overwrites. Keys are for their owner's eyes; certificates are made to be handed out. */
function writeNew(path: string, text: string): Promise<void> {
  return writeFile(path, text, { mode: text.includes("PRIVATE KEY") ? 0o600 : 0o644, flag: "wx" });
}

async function reportingIo(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new KwikError("IO", `${what}: ${(error as Error).message}`, { cause: error });
  }
}
