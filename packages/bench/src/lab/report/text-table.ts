import { summariesOf } from "./cell-summary.ts";
import type { LabResults } from "./lab-results.ts";
import { BAR_HEAD, barRows, RESULT_HEAD, resultRows } from "./summary-rows.ts";
import { verdictsOf } from "./verdict.ts";

/** Results and bars as tables for a terminal. */
export function textOfResults(results: LabResults): string {
  const tables = [
    aligned([RESULT_HEAD, ...resultRows(summariesOf(results.records))]),
    aligned([BAR_HEAD, ...barRows(verdictsOf(results.cells, results.records))]),
  ];
  return [...tables, ...results.notes].join("\n\n");
}

/** Columns of equal width. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
