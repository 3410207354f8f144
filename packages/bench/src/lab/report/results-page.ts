import type { CellSummary } from "./cell-summary.ts";
import { BAR_HEAD, barRows, RESULT_HEAD, resultRows } from "./summary-rows.ts";
import type { Verdict } from "./verdict.ts";

/** What the page says beside its tables. */
export interface PageMatter {
  /** Sentences about the link emulator. */
  readonly emulator: readonly string[];
  readonly versions: readonly string[];
  readonly notes: readonly string[];
  /** Charts beside the page: title and file name. */
  readonly charts: readonly (readonly [string, string])[];
}

/** The page of all results in Markdown: bars first, then charts, then every row, of losers too. */
export function pageOf(summaries: readonly CellSummary[], verdicts: readonly Verdict[], matter: PageMatter): string {
  const met = verdicts.filter((verdict) => verdict.isMet === true).length;
  const missed = verdicts.filter((verdict) => verdict.isMet === false).length;
  return [
    "<!-- written by kwik bench lab --out; change nothing here -->",
    "",
    "# Results of the laboratory",
    "",
    "`kwik bench lab --out docs/performance` (root, Linux) measures all of it again; `--only` picks cells, whose rows are replaced. Each",
    "number is the median of the runs in [runs.csv](lab/runs.csv); a failed run counts as 0. Decision",
    "[0011](../decisions/0011-the-laboratory.md) says how it is measured. `engine-N` is the bare QUIC engine on line N alone, SumSingle",
    "the sum of these, `down` is towards the client.",
    "",
    "## The link emulator",
    "",
    ...matter.emulator.map((sentence) => `- ${sentence}`),
    ...matter.versions.map((version) => `- ${version}`),
    ...matter.notes.map((note) => `- ${note}`),
    "",
    "## Bars",
    "",
    `${met} met, ${missed} missed.`,
    "",
    table(BAR_HEAD, barRows(verdicts)),
    "",
    "## Charts",
    "",
    ...matter.charts.flatMap(([title, file]) => [`![${title}](${file})`, ""]),
    "## All rows",
    "",
    table(RESULT_HEAD, resultRows(summaries)),
    "",
  ].join("\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
