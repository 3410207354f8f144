/** One number of a run, with what it has to be. */
export interface Measurement {
  /** "bulk: download, 1 stream". */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the bare engine did under the same conditions, where it can do the same. */
  readonly raw?: number | undefined;
  /** Kwik against the bare engine, if the bar is about that. */
  readonly ratio?: number | undefined;
  /** What the value (or the ratio, if there is one) has to reach. */
  readonly bar?: { readonly kind: "at least" | "at most" | "below"; readonly limit: number } | undefined;
  /** A word about what it means. */
  readonly note?: string | undefined;
}

/** Whether the bar is met; undefined where there is none. */
export function isMet(measurement: Measurement): boolean | undefined {
  const { bar } = measurement;
  if (bar === undefined) return undefined;
  const value = measurement.ratio ?? measurement.value;
  if (bar.kind === "at least") return value >= bar.limit;
  return bar.kind === "at most" ? value <= bar.limit : value < bar.limit;
}

/** All measurements as a table for people. */
export function tableOf(measurements: readonly Measurement[]): string {
  const head = ["measurement", "kwik", "raw", "ratio", "bar", ""];
  const rows = measurements.map((one) => [
    one.name,
    `${rounded(one.value)} ${one.unit}`,
    one.raw === undefined ? "" : `${rounded(one.raw)} ${one.unit}`,
    one.ratio === undefined ? "" : one.ratio.toFixed(2),
    one.bar === undefined ? "" : `${one.bar.kind} ${one.bar.limit}`,
    [verdictOf(one), one.note ?? ""].filter((part) => part !== "").join("  "),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function verdictOf(measurement: Measurement): string {
  const met = isMet(measurement);
  if (met === undefined) return "";
  return met ? "met" : "MISSED";
}

function rounded(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toString();
  return value.toPrecision(3);
}
