import { CommandError, ExitStatus } from "../exit-status.ts";

/** Reads NAME=PATH each. Throws a usage error. */
export function parseUnixSockets(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const match = /^([^=:\s]{1,255})=(.+)$/.exec(text);
      if (match !== null) return [match[1] as string, match[2] as string];
      throw new CommandError(ExitStatus.usage, `"${text}" is no unix socket; write NAME=PATH`);
    }),
  );
}
