import { type Command, InvalidArgumentError } from "commander";
import { type ClusterChange, initCluster, issueClient, issueServer, renewServer, revoke, rotateTicketKeys } from "@kwik/trust";
import { collect } from "../dial-flags.ts";

interface IssueFlags {
  readonly host?: readonly string[];
  readonly client?: boolean;
  readonly name?: string;
  readonly days?: number;
}

interface RenewFlags {
  readonly host?: readonly string[];
  readonly days?: number;
}

/** Adds `kwik cluster` with its commands. */
export function addCluster(program: Command): void {
  const cluster = program
    .command("cluster")
    .summary("make the certificates of a group of servers")
    .description("Makes and uses an authority of your own for a group of servers.")
    .addHelpText(
      "after",
      `
Examples:
  $ kwik cluster init ./cluster
  $ kwik cluster issue ./cluster --host a.example --name a
  $ kwik cluster renew ./cluster a
  $ kwik cluster rotate ./cluster
  $ kwik cluster revoke ./cluster a --reason "the disk was stolen"`,
    );
  cluster
    .command("init")
    .summary("make an authority and the key that signs join tickets")
    .description("Makes a cluster in DIR: an authority for server certificates, and the keys that sign join tickets now and next.")
    .argument("<dir>", "folder to make")
    .option("--days <n>", "life of the authority in days (default: 3650)", days)
    .action(init);
  cluster
    .command("issue")
    .summary("issue the certificate of one server, or of a client")
    .description(
      "Issues a server's certificate, and the cluster.json with which it signs and checks join tickets; or a client's certificate.",
    )
    .argument("<dir>", "folder of `kwik cluster init`")
    .option("--host <name>", "host name or IP address under which clients dial the server; repeatable", collect)
    .option("--client", "a certificate by which servers know a client (`listen({ clientCa })`); needs --name")
    .option("--name <name>", "name of the folder in DIR that is written (default: the first host)")
    .option("--days <n>", "life of the certificate in days (default: 365)", days)
    .action(issue);
  cluster
    .command("renew")
    .summary("issue a server another certificate for the same key")
    .description(
      "Gives a server's folder a new certificate for the key that it has, so that its identity stays, and the present cluster.json.",
    )
    .argument("<dir>", "folder of `kwik cluster init`")
    .argument("<name>", "the server's folder in DIR")
    .option("--host <name>", "host name or IP address from now on; repeatable (default: those that it has)", collect)
    .option("--days <n>", "life of the certificate in days (default: 365)", days)
    .action(renew);
  cluster
    .command("rotate")
    .summary("make the next key sign join tickets")
    .description("Makes the next key sign join tickets, and a new next one, in the cluster.json of every server. No session is lost.")
    .argument("<dir>", "folder of `kwik cluster init`")
    .action(rotate);
  cluster
    .command("revoke")
    .summary("take back the certificate of a server or client")
    .description("Puts a key on the signed list of those that nobody believes any more, and changes the key that signs join tickets.")
    .argument("<dir>", "folder of `kwik cluster init`")
    .argument("<who>", "a folder in DIR, or an identity, sha256:…")
    .option("--reason <text>", "a word for whoever reads the list")
    .action(revokeOne);
}

async function init(dir: string, flags: { readonly days?: number }): Promise<void> {
  const made = await initCluster(dir, flags.days === undefined ? {} : { validDays: flags.days });
  process.stdout.write(
    `made the cluster in ${dir}; keep it private, only ${made.caFile} is for clients (kwik get --ca ${made.caFile})\n` +
      `next: kwik cluster issue ${dir} --host NAME\n`,
  );
}

async function issue(dir: string, flags: IssueFlags, command: Command): Promise<void> {
  const { host, name, client, days: validDays } = flags;
  const life = validDays === undefined ? {} : { validDays };
  if (client === true) {
    if (host !== undefined) command.error("error: a client has no --host; leave it out, or leave out --client");
    if (name === undefined) command.error("error: --client needs --name, the folder that is written");
    const issued = await issueClient(dir, { name, ...life });
    process.stdout.write(`issued ${issued.dir}, identity ${issued.identity}\nnext: copy that folder to the client\n`);
    return;
  }
  if (host === undefined) command.error("error: --host is missing; say under which name or address clients dial the server");
  const issued = await issueServer(dir, { hosts: host, ...(name === undefined ? {} : { name }), ...life });
  process.stdout.write(
    `issued ${issued.dir} for ${host.join(", ")}, identity ${issued.identity}\n` +
      `next: copy that folder to the server, and there: kwik serve DIR --listen HOST:PORT --cert ${issued.certFile} --key ${issued.keyFile} --cluster ${issued.clusterFile}\n`,
  );
}

async function renew(dir: string, name: string, flags: RenewFlags): Promise<void> {
  const { host, days: validDays } = flags;
  const renewed = await renewServer(dir, {
    name,
    ...(host === undefined ? {} : { hosts: host }),
    ...(validDays === undefined ? {} : { validDays }),
  });
  process.stdout.write(
    `renewed ${renewed.certFile}, identity ${renewed.identity} as before\n` +
      `next: copy it and ${renewed.clusterFile} to the server, which takes them while it runs\n`,
  );
}

async function rotate(dir: string): Promise<void> {
  const change = await rotateTicketKeys(dir);
  const what = change.hasRotated
    ? "the next key signs join tickets from now on, and the one before is good until the next rotation"
    : "this cluster had no next key and has one now; rotate again when every server has it";
  process.stdout.write(`${what}\n${copying(change)}`);
}

async function revokeOne(dir: string, who: string, flags: { readonly reason?: string }): Promise<void> {
  const change = await revoke(dir, { who, ...flags });
  process.stdout.write(
    `revoked ${change.identity}; ${change.listFile} is the list\n${copying(change)}` +
      `and give the list to clients that look at it (kwik get --ca … --revoked ${change.listFile})\n`,
  );
}

function copying({ updated }: ClusterChange): string {
  if (updated.length === 0) return "no server is left to tell\n";
  return `next: copy the new cluster.json to each server, which takes it while it runs: ${updated.join(", ")}\n`;
}

function days(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 36_500) return value;
  throw new InvalidArgumentError("Write a number of days, up to 36500.");
}
