import { missingPrograms } from "../debian/programs.ts";

/** Whether everything runs (`npm run test:protocols`), or what `npm test` has time for. */
export const isFullRun = process.env["KWIK_PROTOCOLS"] === "all";

/**
 * Why programs of Debian cannot be tried here, or undefined. `programs` has the package for each path that is wanted. A full run installs what is missing; `npm test` takes
 * what is there, as nobody knows how long a download takes.
 */
export function whyNot(programs: Readonly<Record<string, string>>): string | undefined {
  const reason = missingPrograms(programs, isFullRun);
  return reason === undefined || isFullRun ? reason : `${reason}, or npm run test:protocols as root, which does`;
}

/** The same for what needs a full run, and root, in any case. */
export function whyNotFull(programs: Readonly<Record<string, string>>): string | undefined {
  if (!isFullRun) return "runs with npm run test:protocols";
  return whyNotWithoutRoot("the server runs as its own user") ?? whyNot(programs);
}

export function whyNotWithoutRoot(reason: string): string | undefined {
  return process.getuid?.() === 0 ? undefined : `needs root: ${reason}`;
}
