import { type Command, InvalidArgumentError } from "commander";
import { initCluster, issueServer } from "@kwik/trust";
import { collect } from "../dial-flags.ts";

interface IssueFlags {
  readonly host: readonly string[];
  readonly name?: string;
  readonly days?: number;
}

/** Adds `kwik cluster init` and `kwik cluster issue`. */
export function addCluster(program: Command): void {
  const cluster = program
    .command("cluster")
    .summary("make the certificates of a group of servers")
    .description("Makes and uses an authority of your own for a group of servers.")
    .addHelpText("after", "\nExample:\n  $ kwik cluster init ./cluster\n  $ kwik cluster issue ./cluster --host a.example");
  cluster
    .command("init")
    .summary("make an authority and the key that signs join tickets")
    .description("Makes a cluster in DIR: an authority for server certificates, and the key that signs join tickets.")
    .argument("<dir>", "folder to make")
    .option("--days <n>", "life of the authority in days (default: 3650)", days)
    .action(init);
  cluster
    .command("issue")
    .summary("issue the certificate of one server")
    .description("Issues a server's certificate, and the cluster.json with which it signs and checks join tickets.")
    .argument("<dir>", "folder of `kwik cluster init`")
    .requiredOption("--host <name>", "host name or IP address under which clients dial the server; repeatable", collect)
    .option("--name <name>", "name of the folder in DIR that is written (default: the first host)")
    .option("--days <n>", "life of the certificate in days (default: 365)", days)
    .action(issue);
}

async function init(dir: string, flags: { readonly days?: number }): Promise<void> {
  const made = await initCluster(dir, flags.days === undefined ? {} : { validDays: flags.days });
  process.stdout.write(
    `made the cluster in ${dir}; keep it private, only ${made.caFile} is for clients (kwik get --ca ${made.caFile})\n` +
      `next: kwik cluster issue ${dir} --host NAME\n`,
  );
}

async function issue(dir: string, flags: IssueFlags): Promise<void> {
  const issued = await issueServer(dir, {
    hosts: flags.host,
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.days === undefined ? {} : { validDays: flags.days }),
  });
  process.stdout.write(
    `issued ${issued.dir} for ${flags.host.join(", ")}, identity ${issued.identity}\n` +
      `next: copy that folder to the server, and there: kwik serve DIR --listen HOST:PORT --cert ${issued.certFile} --key ${issued.keyFile} --cluster ${issued.clusterFile}\n`,
  );
}

function days(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 36_500) return value;
  throw new InvalidArgumentError("Write a number of days, up to 36500.");
}
