import { basename } from "node:path";

/** Arguments of Node that run the kwik command again. Throws elsewhere than in the kwik command. */
export function kwikCommand(): readonly string[] {
  const script = process.argv[1];
  if (script !== undefined && /^(kwik(\.js)?|main\.[jt]s)$/.test(basename(script))) return [...process.execArgv, script];
  throw new Error("it starts the kwik command itself; run it as `kwik bench NAME`");
}
