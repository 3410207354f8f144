import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** The options of a script. For what makes no sense: a sentence, how the script is called, and status 2, as of the `kwik` command. */
export function parseOptions<const Options extends ParseArgsOptionsConfig>(name: string, usage: string, options: Options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    process.exit(2);
  }
}
