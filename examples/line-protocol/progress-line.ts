const REFRESH_MS = 150;
const BAR_CHARACTERS = 24;

/** One line on a terminal that shows how far a transfer is. On anything but a terminal it shows nothing. */
export class ProgressLine {
  readonly #out: NodeJS.WriteStream;
  readonly #share: () => number;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(out: NodeJS.WriteStream, share: () => number) {
    this.#out = out;
    this.#share = share;
    if (out.isTTY) this.#timer = setInterval(() => this.#draw(), REFRESH_MS);
  }

  /** Shows a sentence that stays. */
  note(sentence: string): void {
    this.#erase();
    this.#out.write(`client: ${sentence}\n`);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #draw(): void {
    const share = Math.min(1, this.#share());
    const bar = "#".repeat(Math.floor(share * BAR_CHARACTERS)).padEnd(BAR_CHARACTERS, "-");
    this.#out.write(`\r[${bar}] ${Math.floor(share * 100)} %`);
  }

  #erase(): void {
    if (this.#out.isTTY) this.#out.write("\r\u001b[K");
  }
}
