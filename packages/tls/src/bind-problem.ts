/** Codes of Node, the words of the system's strerror (numbers differ between systems), and what that means. */
const PROBLEMS: readonly (readonly [codes: readonly string[], words: RegExp, meaning: string])[] = [
  [["EADDRINUSE"], /address already in use/i, "the address is already in use"],
  [["EADDRNOTAVAIL"], /(?:cannot|can't) assign requested address/i, "this machine has no such address"],
  [["EACCES", "EPERM"], /permission denied/i, "this port needs more rights"],
];

/** Node's code for why an address cannot be bound; undefined for another reason. The error is as that of `bindProblem`. */
export function bindCode(error: { readonly code?: string; readonly message: string }): string | undefined {
  return PROBLEMS.find(([codes, words]) => codes.includes(error.code ?? "") || words.test(error.message))?.[0][0];
}

/** Why an address cannot be bound, in words; the error may be Node's, or somebody else's that has the system's words only. */
export function bindProblem(error: { readonly code?: string; readonly message: string }): string {
  for (const [codes, words, meaning] of PROBLEMS) if (codes.includes(error.code ?? "") || words.test(error.message)) return meaning;
  return error.message;
}
