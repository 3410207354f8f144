/** One group of horizontal bars: a cell. */
export interface ChartRow {
  readonly label: string;
  readonly bars: readonly { readonly name: string; readonly value: number; readonly isFailure?: boolean }[];
}

export interface Chart {
  readonly title: string;
  /** What the numbers are: "rate / SumSingle". */
  readonly unit: string;
  readonly rows: readonly ChartRow[];
  /** A vertical line across all rows. */
  readonly mark?: number;
  readonly digits: number;
}

const LABEL_WIDTH = 290;
const PLOT_WIDTH = 520;
const VALUE_WIDTH = 70;
const BAR_HEIGHT = 13;
const ROW_GAP = 12;
const TOP = 64;
const COLORS = ["#1f6feb", "#d1571b", "#2f8f46", "#8250df", "#9a6700", "#57606a", "#bf3989", "#0f7b8a"] as const;

/** Draws grouped horizontal bars as SVG, with a legend and the value at the end of each bar. */
export function svgOf(chart: Chart): string {
  const names = [...new Set(chart.rows.flatMap((row) => row.bars.map((bar) => bar.name)))];
  const color = (name: string): string => COLORS[names.indexOf(name) % COLORS.length] ?? COLORS[0];
  const greatest = Math.max(chart.mark ?? 0, ...chart.rows.flatMap((row) => row.bars.map((bar) => bar.value)), 1e-9) * 1.05;
  const scale = (value: number): number => (PLOT_WIDTH * value) / greatest;
  const parts: string[] = [];
  let y = TOP;
  for (const row of chart.rows) {
    const height = row.bars.length * BAR_HEIGHT;
    parts.push(text(LABEL_WIDTH - 10, y + height / 2 + 4, row.label, 'text-anchor="end"'));
    for (const bar of row.bars) {
      const width = Math.max(scale(bar.value), 1);
      parts.push(`<rect x="${LABEL_WIDTH}" y="${y + 1}" width="${fixed(width)}" height="${BAR_HEIGHT - 2}" fill="${color(bar.name)}"/>`);
      const value = bar.isFailure === true ? "failed" : bar.value.toFixed(chart.digits);
      parts.push(text(LABEL_WIDTH + width + 5, y + BAR_HEIGHT - 3, value, 'font-size="10"'));
      y += BAR_HEIGHT;
    }
    y += ROW_GAP;
  }
  const width = LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH;
  const mark =
    chart.mark === undefined
      ? []
      : [
          `<line x1="${fixed(LABEL_WIDTH + scale(chart.mark))}" x2="${fixed(LABEL_WIDTH + scale(chart.mark))}" y1="${TOP - 8}" y2="${y}" stroke="#1f2328" stroke-dasharray="3 3"/>`,
        ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 8}" width="${width}" height="${y + 8}" font-family="sans-serif" font-size="12" fill="#1f2328">`,
    `<title>${escaped(`${chart.title}: ${chart.unit}`)}</title>`,
    `<rect width="${width}" height="${y + 8}" fill="#ffffff"/>`,
    text(10, 20, `${chart.title}: ${chart.unit}`, 'font-size="14" font-weight="bold"'),
    ...legend(names, color),
    ...mark,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function legend(names: readonly string[], color: (name: string) => string): string[] {
  let x = 10;
  return names.flatMap((name) => {
    const parts = [`<rect x="${x}" y="33" width="11" height="11" fill="${color(name)}"/>`, text(x + 16, 43, name, "")];
    x += 30 + name.length * 7;
    return parts;
  });
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}"${attributes === "" ? "" : ` ${attributes}`}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function fixed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}
