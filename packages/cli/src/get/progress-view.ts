import type { PathInfo } from "kwik";
import { formatBytes, formatRate, formatSeconds } from "../byte-size.ts";
import { placeOf } from "../path-place.ts";

const TERMINAL_REFRESH_MS = 150;
const PLAIN_REFRESH_MS = 2_000;
/** The total rate is averaged over this long, in milliseconds. */
const RATE_WINDOW_MS = 2_000;
const BAR_CHARACTERS = 24;

/** What the view looks at. */
export interface Progress {
  readonly size: number | undefined;
  readonly position: number;
  readonly paths: readonly PathInfo[];
}

/**
 * Shows a download while it runs, on standard error. On a terminal: a line per path and a bar, drawn again in place; elsewhere a plain
 * line now and then. Notices appear above.
 */
export class ProgressView {
  readonly #progress: Progress;
  readonly #out: NodeJS.WriteStream;
  readonly #prefix: string;
  #timer: NodeJS.Timeout | undefined;
  #drawnLines = 0;
  readonly #samples: { at: number; position: number }[] = [];

  constructor(progress: Progress, options: { out?: NodeJS.WriteStream; prefix?: string } = {}) {
    this.#progress = progress;
    this.#out = options.out ?? process.stderr;
    this.#prefix = options.prefix ?? "kwik: ";
  }

  start(): void {
    this.#rate();
    this.#timer = setInterval(() => this.#refresh(), this.#out.isTTY ? TERMINAL_REFRESH_MS : PLAIN_REFRESH_MS);
  }

  /** Shows a sentence that stays. */
  note(text: string): void {
    this.#erase();
    this.#out.write(`${this.#prefix}${text}\n`);
    if (this.#out.isTTY && this.#timer !== undefined) this.#draw();
  }

  /** Takes the view away; notes stay. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
  }

  #refresh(): void {
    if (this.#out.isTTY) {
      this.#erase();
      this.#draw();
      return;
    }
    const { size, position, paths } = this.#progress;
    if (size === undefined) return;
    const active = paths.filter((path) => path.state === "active" || path.state === "degraded").length;
    const share = size === 0 ? 100 : Math.floor((100 * position) / size);
    this.#out.write(
      `${this.#prefix}${formatBytes(position)} of ${formatBytes(size)} (${share} %), ${formatRate(this.#rate())}, ${active} ${active === 1 ? "path" : "paths"}\n`,
    );
  }

  #draw(): void {
    const { size, position } = this.#progress;
    const columns = this.#out.columns || 80;
    const lines = pathLines(this.#progress.paths);
    if (size !== undefined) lines.push(totalLine(position, size, this.#rate()));
    this.#drawnLines = lines.length;
    this.#out.write(lines.map((line) => `${line.slice(0, columns - 1)}\n`).join(""));
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#out.write(`\u001b[${this.#drawnLines}A\u001b[J`);
    this.#drawnLines = 0;
  }

  #rate(): number {
    const at = performance.now();
    this.#samples.push({ at, position: this.#progress.position });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > RATE_WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || at - first.at < 1) return 0;
    // A download that starts anew goes back.
    return (Math.max(0, this.#progress.position - first.position) * 1000) / (at - first.at);
  }
}

/** One line per path: address, transport, state, rate, bytes, share. A path that was lost stays unless its server came back. */
export function pathLines(paths: readonly PathInfo[]): string[] {
  const shown = paths.filter((path, index) => !isOver(path) || !paths.slice(index + 1).some((later) => placeOf(later) === placeOf(path)));
  const total = shown.reduce((sum, path) => sum + path.bytesReceived, 0);
  const width = Math.max(16, ...shown.map((path) => placeOf(path).length));
  return shown.map((path) => {
    const share = total === 0 ? 0 : Math.round((100 * path.bytesReceived) / total);
    const rate = isOver(path) ? "" : formatRate(path.receiveRate);
    return `  ${placeOf(path).padEnd(width)}  ${path.transport.padEnd(5)} ${path.state.padEnd(14)} ${rate.padStart(11)} ${formatBytes(path.bytesReceived).padStart(9)} ${String(share).padStart(3)} %`;
  });
}

/** The bar: what is there, the rate, and how long the rest will take. */
export function totalLine(position: number, size: number, bytesPerSecond: number): string {
  const share = size === 0 ? 1 : position / size;
  const filled = Math.min(BAR_CHARACTERS, Math.floor(share * BAR_CHARACTERS));
  const bar = `${"#".repeat(filled)}${"-".repeat(BAR_CHARACTERS - filled)}`;
  const eta = bytesPerSecond > 0 && position < size ? `, ${formatSeconds((size - position) / bytesPerSecond)} left` : "";
  return `  [${bar}] ${Math.floor(share * 100)} %  ${formatBytes(position)} of ${formatBytes(size)}  ${formatRate(bytesPerSecond)}${eta}`;
}

function isOver(path: PathInfo): boolean {
  return path.state === "dead" || path.state === "closed";
}
