import type { CallTree } from "./call-tree.ts";

const WIDTH = 1200;
const MARGIN = 10;
const ROW = 15;
const CHARACTER = 6.1;
/** Narrower ones are left out: nobody could see them. */
const MIN_WIDTH = 0.6;
const COLOURS: Readonly<Record<string, string>> = {
  proto: "#f4a261",
  core: "#e76f51",
  "transport-quic": "#e9c46a",
  bench: "#8ab17d",
  kwik: "#b5838d",
  node: "#9bb1c8",
  native: "#c9d1d9",
  collector: "#c77dff",
};
const OTHER = "#dddddd";

/** One thread of a run. */
export interface FlamePanel {
  /** "server, which sends" */
  readonly title: string;
  readonly tree: CallTree;
}

/** An SVG with a flame graph of each panel: the widest took most time, who called is below, in the order of their names. Colours are parts of the system. */
export function flameGraph(title: string, panels: readonly FlamePanel[]): string {
  const parts = new Set<string>();
  let top = 58;
  const bodies = panels.map((panel) => {
    const depth = depthOf(panel.tree, panel.tree.totalUs);
    const bottom = top + 18 + depth * ROW;
    const frames: string[] = [];
    draw(panel.tree, {
      x: MARGIN,
      bottom,
      usPerPixel: panel.tree.totalUs / (WIDTH - 2 * MARGIN),
      allUs: panel.tree.totalUs,
      frames,
      parts,
    });
    const heading = `${panel.title}: ${(panel.tree.totalUs / 1e6).toFixed(1)} s of processor time`;
    const body = `<text x="${MARGIN}" y="${top + 10}" font-weight="bold">${escaped(heading)}</text>\n${frames.join("\n")}`;
    top = bottom + 24;
    return body;
  });
  const legend = [...parts]
    .sort()
    .map((part, index) => {
      const x = MARGIN + index * 130;
      return `<rect x="${x}" y="30" width="12" height="12" fill="${COLOURS[part] ?? OTHER}"/><text x="${x + 16}" y="40">${escaped(part)}</text>`;
    })
    .join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="monospace" font-size="10">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${MARGIN}" y="20" font-size="14" font-weight="bold">${escaped(title)}</text>
${legend}
${bodies.join("\n")}
</svg>
`;
}

interface Drawing {
  readonly x: number;
  readonly bottom: number;
  readonly usPerPixel: number;
  readonly allUs: number;
  readonly frames: string[];
  readonly parts: Set<string>;
}

function draw(tree: CallTree, drawing: Drawing): void {
  const { bottom, usPerPixel, allUs, frames, parts } = drawing;
  const width = tree.totalUs / usPerPixel;
  if (width < MIN_WIDTH) return;
  const [x, y] = [drawing.x.toFixed(1), bottom - ROW];
  parts.add(tree.part);
  const label = `${tree.name} ${((100 * tree.totalUs) / allUs).toFixed(1)} %`;
  const letters = Math.floor((width - 4) / CHARACTER);
  const text = letters < 3 ? "" : `<text x="${(drawing.x + 2).toFixed(1)}" y="${y + 11}">${escaped(clipped(tree.name, letters))}</text>`;
  const box = `<rect x="${x}" y="${y}" width="${Math.max(0.3, width - 0.3).toFixed(1)}" height="${ROW - 1}" fill="${COLOURS[tree.part] ?? OTHER}"/>`;
  frames.push(`<g><title>${escaped(label)}</title>${box}${text}</g>`);
  let at = drawing.x;
  for (const callee of calleesOf(tree)) {
    draw(callee, { ...drawing, x: at, bottom: y });
    at += callee.totalUs / usPerPixel;
  }
}

function calleesOf(tree: CallTree): CallTree[] {
  return [...tree.callees.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Rows that `draw` makes of it. */
function depthOf(tree: CallTree, allUs: number): number {
  if (tree.totalUs / (allUs / (WIDTH - 2 * MARGIN)) < MIN_WIDTH) return 0;
  return 1 + Math.max(0, ...calleesOf(tree).map((callee) => depthOf(callee, allUs)));
}

function clipped(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
