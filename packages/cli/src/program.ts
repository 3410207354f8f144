import { Command, CommanderError } from "commander";
import { addBench } from "./commands/bench.ts";
import { addCluster } from "./commands/cluster.ts";
import { addDemo } from "./commands/demo.ts";
import { addGateway } from "./commands/gateway.ts";
import { addGet } from "./commands/get.ts";
import { addLs } from "./commands/ls.ts";
import { addProxy } from "./commands/proxy.ts";
import { addRelay } from "./commands/relay.ts";
import { addServe } from "./commands/serve.ts";
import { ExitStatus, exitStatusOf, sentenceOf } from "./exit-status.ts";
import { VERSION } from "./version.ts";

const epilogue = `
Examples:
  $ kwik demo                                              see it work on this machine
  $ kwik serve ./files --listen 0.0.0.0:4433 --self-signed
  $ kwik get kwik://HOST:4433/film.mkv --pin sha256:…

Exit status:
  0 done and verified   1 fault of the program   2 usage             3 cannot connect, or all servers lost
  4 not trusted         5 not found              6 integrity         7 interrupted
  8 a local file, folder or port cannot be used`;

/** Runs a command line (without node and script) and answers the exit status. What failed is said on standard error. */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    await newProgram().parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? ExitStatus.done);
  } catch (error) {
    // Commander has said it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitStatus.done : ExitStatus.usage;
    process.stderr.write(`kwik: ${sentenceOf(error)}\n`);
    const status = exitStatusOf(error);
    if (status === ExitStatus.fault && process.env["KWIK_DEBUG"] !== undefined) process.stderr.write(`${(error as Error).stack ?? ""}\n`);
    return status;
  }
}

function newProgram(): Command {
  const program = new Command("kwik")
    .description("One session over many independent servers.")
    .version(`kwik ${VERSION}`, "--version", "print the version")
    .helpOption("--help", "print this help")
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "kwik: ")) })
    .showHelpAfterError("Run it with --help to see what there is.")
    .exitOverride()
    .addHelpText("after", epilogue);
  for (const add of [addServe, addGet, addLs, addProxy, addGateway, addRelay, addCluster, addDemo, addBench]) add(program);
  return program;
}
