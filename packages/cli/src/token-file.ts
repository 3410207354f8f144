import { readFile } from "node:fs/promises";
import { CommandError, ExitStatus, sentenceOf } from "./exit-status.ts";

/** The token in a file. Throws a local error if it cannot be read, a usage error if it is empty. */
export async function readToken(file: string): Promise<string> {
  try {
    const token = (await readFile(file, "utf8")).trim();
    if (token !== "") return token;
  } catch (error) {
    throw new CommandError(ExitStatus.local, `cannot read ${file}: ${sentenceOf(error)}`, { cause: error });
  }
  throw new CommandError(ExitStatus.usage, `${file} is empty; it should hold the token of this client`);
}
