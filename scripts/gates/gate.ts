/** What a gate found. `findings` make it red, `warnings` are only printed. */
export interface GateResult {
  readonly ok: boolean;
  readonly findings: readonly string[];
  readonly warnings?: readonly string[];
  /** One clause for the summary line: what was looked at. */
  readonly note?: string;
}

/** One check of the tree at `root`. It writes nothing but build output. */
export interface Gate {
  readonly name: string;
  run(root: string): Promise<GateResult>;
}

export function verdict(findings: readonly string[], note?: string, warnings: readonly string[] = []): GateResult {
  return { ok: findings.length === 0, findings, warnings, ...(note === undefined ? {} : { note }) };
}
