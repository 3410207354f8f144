import type { Socket } from "node:net";
import { type Frame, FrameDecoder, type ShortLine } from "./frame-decoder.ts";
import type { Limits } from "./limits.ts";
import { isPayloadForm } from "./payload-form.ts";
import { Refusal } from "./refusal.ts";
import type { Session } from "./session.ts";
import type { SessionTable } from "./session-table.ts";

/** How long a connection that was refused is still read, so that the answer is not lost by the reset that unread bytes cause. */
const LINGER_MS = 2_000;

/**
 * The server's end of one connection: reads, lets the session take each frame, answers. It reads on only when the frame before was taken and
 * the answers before were fetched, so that a fast or deaf client is held up by TCP and not kept in memory (LINE-18, LINE-19).
 */
export class ServerConnection {
  readonly #socket: Socket;
  readonly #id: number;
  readonly #limits: Limits;
  readonly #sessions: SessionTable;
  readonly #decoder: FrameDecoder;
  #session: Session | undefined;
  #lineCount = 0;
  #lineBegan: number | undefined;
  #isRefused = false;
  #deadline: NodeJS.Timeout | undefined;

  constructor(socket: Socket, id: number, limits: Limits, sessions: SessionTable) {
    this.#socket = socket;
    this.#id = id;
    this.#limits = limits;
    this.#sessions = sessions;
    this.#decoder = new FrameDecoder(limits.maxChunkBytes);
    socket.on("error", () => {}); // the reading loop learns of it
  }

  /** Serves the connection to its end. Never rejects because of the peer. */
  async run(): Promise<void> {
    const reads = this.#socket.iterator({ destroyOnReturn: false });
    this.#lineBegan = performance.now(); // LINE-21: the first line is waited for from the beginning
    try {
      while (true) {
        this.#watch();
        const read = await reads.next();
        clearTimeout(this.#deadline);
        if (read.done === true) break;
        if (!this.#isRefused) await this.#take(read.value as Uint8Array);
      }
      if (!this.#isRefused && this.#decoder.isInsideLine) this.refuse(new Refusal("CUT_OFF"));
    } catch (error) {
      if (!this.#socket.destroyed) throw error;
    } finally {
      clearTimeout(this.#deadline);
      this.#leave();
      this.#end("", this.#limits.idleTimeoutMs);
    }
  }

  /** Tells the client why, and ends the connection. */
  refuse(refusal: Refusal): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    clearTimeout(this.#deadline);
    this.#end(refusal.line(this.#limits), LINGER_MS);
  }

  /** Leaves the session, once, and never while it takes a frame. */
  #leave(): void {
    if (this.#session !== undefined) this.#sessions.leave(this.#session);
    this.#session = undefined;
  }

  #end(lastWords: string, limitMs: number): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (!socket.writableEnded) socket.end(lastWords);
    const timer = setTimeout(() => socket.destroy(), limitMs);
    socket.once("close", () => clearTimeout(timer));
  }

  /** Sets the deadline of the next read: a silent connection ends, and so does a line that comes drop by drop. */
  #watch(): void {
    if (this.#isRefused) return;
    const lineLeftMs = this.#lineBegan === undefined ? Infinity : this.#lineBegan + this.#limits.lineTimeoutMs - performance.now();
    const isLine = lineLeftMs < this.#limits.idleTimeoutMs;
    const late = (): void => {
      this.refuse(new Refusal(isLine ? "LINE_TIMEOUT" : "IDLE_TIMEOUT"));
      this.#leave();
    };
    this.#deadline = setTimeout(late, isLine ? Math.max(lineLeftMs, 1) : this.#limits.idleTimeoutMs);
  }

  async #take(data: Uint8Array): Promise<void> {
    const linesBefore = this.#lineCount;
    try {
      for (const received of this.#decoder.decode(data)) {
        this.#lineCount += 1;
        await this.#answer(await this.#answerTo(received));
        if (this.#isRefused) return;
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refuse(error);
    } finally {
      if (this.#isRefused) this.#leave();
    }
    if (!this.#decoder.isInsideLine) this.#lineBegan = undefined;
    else if (this.#lineCount > linesBefore) this.#lineBegan = performance.now();
    else this.#lineBegan ??= performance.now();
  }

  /** Refusals that do not end the connection are answers; others are thrown. */
  async #answerTo(received: Frame | ShortLine): Promise<string> {
    try {
      if (this.#session === undefined) return this.#openSession(received);
      if (received.kind === "line") return this.#chooseForm(received.text);
      return await this.#session.accept(received, this.#id);
    } catch (error) {
      if (!(error instanceof Refusal) || error.ends) throw error;
      return error.line(this.#limits);
    }
  }

  /** LINE-1 to LINE-3. Joining is not answered: old clients send frames at once and old servers say nothing. */
  #openSession(received: Frame | ShortLine): string {
    const id = received.kind === "line" && received.text.startsWith("SESSION|") ? received.text.slice("SESSION|".length) : undefined;
    if (id === undefined) throw new Refusal("NO_SESSION");
    if (id !== "NEW") {
      this.#session = this.#sessions.join(id);
      return "";
    }
    this.#session = this.#sessions.begin();
    return `SESSION|${this.#session.id}\n`;
  }

  /** LINE-9: only the second line of a connection can choose; later ones would make the bytes on their way ambiguous. */
  #chooseForm(line: string): string {
    if (this.#lineCount !== 2 || !line.startsWith("FORM|")) throw new Refusal("BAD_FRAME");
    const form = line.slice("FORM|".length);
    if (!isPayloadForm(form)) throw new Refusal("UNKNOWN_FORM");
    this.#decoder.form = form;
    return `FORM|${form}\n`;
  }

  /** Writes an answer, and waits if the client does not fetch its answers. */
  async #answer(line: string): Promise<void> {
    const socket = this.#socket;
    if (line === "" || this.#isRefused || socket.destroyed || socket.write(line)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.destroy(), this.#limits.idleTimeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        socket.off("drain", done).off("close", done);
        resolve();
      };
      socket.on("drain", done).on("close", done);
    });
  }
}
