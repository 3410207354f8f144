import { readFile } from "node:fs/promises";
import type { Command, Option } from "commander";
import { CommandError, ExitStatus, sentenceOf } from "./exit-status.ts";

/**
 * The flags of a command, with those of its `--config FILE` where the command line says nothing: a JSON object whose keys are the long names of flags in camel
 * case, with a list where a flag may be repeated, true for one without a value, and a text or number otherwise. Throws a usage error for anything else.
 */
export async function flagsWithConfig<T extends object>(command: Command): Promise<T> {
  const flags = command.opts<Record<string, unknown>>();
  const file = flags["config"];
  if (typeof file !== "string") return flags as T;
  for (const [key, value] of Object.entries(await readConfig(file))) {
    const option = command.options.find((one) => one.attributeName() === key && key !== "config");
    if (option === undefined)
      throw new CommandError(ExitStatus.usage, `${file}: "${key}" is no setting of kwik ${command.name()}; --help lists the flags`);
    if (command.getOptionValueSource(key) === "cli") continue;
    flags[key] = settingOf(file, key, value, option);
  }
  return flags as T;
}

async function readConfig(file: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new CommandError(ExitStatus.local, `cannot read ${file}: ${sentenceOf(error)}`, { cause: error });
  }
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new CommandError(ExitStatus.usage, `${file} is not JSON: ${sentenceOf(error)}`, { cause: error });
  }
  if (typeof config === "object" && config !== null && !Array.isArray(config)) return config;
  throw new CommandError(ExitStatus.usage, `${file} does not hold a JSON object`);
}

function settingOf(file: string, key: string, value: unknown, option: Option): unknown {
  const wrong = (wanted: string): CommandError => new CommandError(ExitStatus.usage, `${file}: "${key}" has to be ${wanted}`);
  if (option.isBoolean()) {
    if (typeof value === "boolean") return value;
    throw wrong("true or false");
  }
  const parse = option.parseArg as ((text: string, previous: unknown) => unknown) | undefined;
  if (isRepeatable(option)) {
    if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
    throw wrong("a list of texts");
  }
  if (typeof value !== "string" && typeof value !== "number") throw wrong("a text or a number");
  try {
    return parse === undefined ? String(value) : parse(String(value), undefined);
  } catch (error) {
    throw wrong(`different: ${sentenceOf(error)}`);
  }
}

/** What collects texts makes a list of one. */
function isRepeatable(option: Option): boolean {
  const parse = option.parseArg as ((text: string, previous: unknown) => unknown) | undefined;
  if (parse === undefined) return false;
  try {
    return Array.isArray(parse("", undefined));
  } catch {
    return false;
  }
}
