import type { Command } from "commander";
import { dial } from "kwik";
import { formatBytes } from "../byte-size.ts";
import { CommandError, ExitStatus } from "../exit-status.ts";
import { listFiles } from "../files/file-client.ts";
import { FileRequestError, type ListEntry } from "../files/file-protocol.ts";
import { Interruption } from "../interruption.ts";
import { parseTarget } from "../target.ts";
import { type DialFlags, dialOptionsOf, withDialFlags } from "../dial-flags.ts";

/** Adds `kwik ls`. */
export function addLs(program: Command): void {
  const command = program
    .command("ls")
    .summary("list what a server has")
    .description("Lists what a server has in a directory: size and name; directories end with a slash.")
    .argument("<url>", "kwik://HOST:PORT/[PATH]")
    .option("--json", "print one JSON object per line");
  withDialFlags(command).addHelpText("after", "\nExample:\n  $ kwik ls kwik://a.example:4433/ --ca ca.pem").action(ls);
}

async function ls(url: string, flags: DialFlags & { readonly json?: boolean }): Promise<void> {
  const target = parseTarget(url);
  const options = await dialOptionsOf(flags);
  using interruption = new Interruption();
  const session = await dial(target.server, { ...options, limits: { graceMs: 0 }, signal: interruption.signal });
  interruption.signal.addEventListener("abort", () => void session.closeWithError(0, "interrupted").catch(() => undefined));
  try {
    for await (const entry of listFiles(session, target.path))
      process.stdout.write(flags.json === true ? `${JSON.stringify(entry)}\n` : lineOf(entry));
  } catch (error) {
    if (interruption.signal.aborted) throw new CommandError(ExitStatus.interrupted, "interrupted", { cause: error });
    if (!(error instanceof FileRequestError)) throw error;
    const status = error.code === "failed" || error.code === "bad-request" ? ExitStatus.unreachable : ExitStatus.notFound;
    throw new CommandError(status, `${target.server} cannot list "${target.path}": ${error.message}`, { cause: error });
  } finally {
    await session.close();
  }
}

function lineOf(entry: ListEntry): string {
  const size = entry.type === "directory" ? "" : formatBytes(entry.size);
  return `${size.padStart(9)}  ${printable(entry.name)}${entry.type === "directory" ? "/" : ""}\n`;
}

/** Names come from elsewhere: nothing in them may steer the terminal. */
function printable(name: string): string {
  return name.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
