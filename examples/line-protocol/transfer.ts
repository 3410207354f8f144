import type { Answer } from "./answer-reader.ts";
import { ClientConnection, ConnectionLost, type ServerAddress } from "./client-connection.ts";
import { ExitStatus, ProgramError } from "./exit-status.ts";
import { encodeFrame } from "./frame-encoder.ts";
import { FORMS_MARK, type PayloadForm } from "./payload-form.ts";
import { type Piece, PieceQueue } from "./piece-queue.ts";
import type { SentFile } from "./sent-file.ts";

const FIRST_RETRY_DELAY_MS = 100;
/** What the server says when a connection was too slow or too many, and another one may do better. */
const RETRIED_CODES: ReadonlySet<string | undefined> = new Set([undefined, "LINE_TIMEOUT", "IDLE_TIMEOUT", "TOO_MANY_CONNECTIONS"]);

export interface TransferOptions {
  readonly address: ServerAddress;
  readonly files: readonly SentFile[];
  readonly connections: number;
  /** What is used if the server knows forms at all. */
  readonly form: PayloadForm;
  /** How long nothing may move, in milliseconds. */
  readonly timeoutMs: number;
  /** How many lost connections are replaced. */
  readonly retries: number;
  readonly onNote: (sentence: string) => void;
}

/** What became of one file. `sent` is all that can be said of a server that does not confirm. */
export interface ItemResult {
  readonly file: SentFile;
  readonly state: "incomplete" | "sent" | "stored" | "differs" | "refused";
  /** What the server said against it. */
  readonly error?: string;
}

/** One connection's share of the work; a connection that is lost is replaced in its place. */
interface Lane {
  readonly number: number;
  connection: ClientConnection;
  /** What went over this connection and was not confirmed. */
  unconfirmed: Piece[];
  chunksSent: number;
}

/** Sends files over several connections of one session. */
export class Transfer {
  readonly #options: TransferOptions;
  readonly #queue: PieceQueue;
  readonly #results: Map<string, ItemResult>;
  readonly #lanes: Lane[] = [];
  #sessionId = "";
  #form: PayloadForm = "plain";
  #unsentPieces = 0;
  #incompleteItems: number;
  #resentChunks = 0;
  #lostConnections = 0;
  #sentBytes = 0;
  #movedAt = performance.now();
  #failure: Error | undefined;
  /** Closes every connection, those that are being opened too. */
  readonly #over = new AbortController();
  #wake = Promise.withResolvers<undefined>();

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#queue = new PieceQueue(options.files);
    this.#incompleteItems = options.files.length;
    this.#results = new Map(options.files.map((file) => [file.item, { file, state: "incomplete" }]));
  }

  get results(): readonly ItemResult[] {
    return [...this.#results.values()];
  }

  /** The form in use, once the server has answered. */
  get form(): PayloadForm {
    return this.#form;
  }

  /** Whether the server says what it has stored. */
  get isConfirming(): boolean {
    return this.#sessionId.endsWith(FORMS_MARK);
  }

  /** Chunks that each connection sent. */
  get chunksByConnection(): readonly number[] {
    return this.#lanes.map((lane) => lane.chunksSent);
  }

  get resentChunks(): number {
    return this.#resentChunks;
  }

  get lostConnections(): number {
    return this.#lostConnections;
  }

  /** Payload bytes handed to connections, those that went twice included. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Sends everything; `results` tell what came of it. Rejects with a ProgramError if that is impossible. */
  async run(): Promise<void> {
    let watchdog: NodeJS.Timeout | undefined;
    try {
      await this.#open(); // has timeouts of its own
      watchdog = this.#watch();
      const ways = await Promise.all(this.#lanes.map((lane) => this.#work(lane)));
      this.#throwFailure();
      const reason = ways.find((way) => way !== undefined);
      if (!this.#isSettled) throw new ProgramError(ExitStatus.unreachable, `all connections were lost: ${reason?.message ?? "no reason"}`);
      if (!this.isConfirming) await this.#finishUnconfirmed();
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      clearInterval(watchdog);
      this.#over.abort();
    }
  }

  /** Ends a running transfer, which rejects with `failure`. */
  abort(failure: Error): void {
    this.#failure ??= failure;
    this.#over.abort();
    this.#signal();
  }

  #watch(): NodeJS.Timeout {
    const { timeoutMs } = this.#options;
    this.#movedAt = performance.now();
    return setInterval(() => {
      const stillMs = performance.now() - this.#movedAt;
      if (stillMs > timeoutMs) this.abort(new ProgramError(ExitStatus.unreachable, `nothing moved for ${timeoutMs} ms`));
    }, timeoutMs / 10);
  }

  get #isSettled(): boolean {
    if (!this.isConfirming) return this.#unsentPieces === 0;
    return this.#incompleteItems === 0;
  }

  /** Opens the session and its connections, no more than there are chunks. */
  async #open(): Promise<void> {
    const { files, connections } = this.#options;
    this.#addLane(await this.#begin());
    this.#prepareFiles();
    this.#unsentPieces = files.reduce((sum, file) => sum + file.total, 0);
    const joining = Array.from({ length: Math.min(connections, this.#unsentPieces) - 1 }, async () => this.#addLane(await this.#join()));
    for (const joined of await Promise.allSettled(joining)) {
      if (joined.status === "rejected") this.#options.onNote(`goes on without a further connection: ${(joined.reason as Error).message}`);
    }
  }

  /** LINE-10: asks as an old client does; the answer tells whether the server knows more. */
  async #begin(): Promise<ClientConnection> {
    const { address, timeoutMs, form } = this.#options;
    try {
      const connection = await ClientConnection.open(address, timeoutMs, this.#over.signal);
      const answer = await connection.ask("SESSION|NEW\n", timeoutMs);
      if (answer.kind !== "session") throw connection.lost ?? refusalOf(answer);
      this.#sessionId = answer.id;
      this.#form = this.isConfirming ? form : "plain";
      if (this.isConfirming) await this.#chooseForm(connection, "");
      else this.#options.onNote(`the server knows only the plain form${form === "plain" ? "" : `, so not ${form}`}, and does not confirm`);
      return connection;
    } catch (error) {
      throw programErrorOf(error, address);
    }
  }

  async #join(): Promise<ClientConnection> {
    const connection = await ClientConnection.open(this.#options.address, this.#options.timeoutMs, this.#over.signal);
    const line = `SESSION|${this.#sessionId}\n`;
    try {
      if (this.isConfirming) await this.#chooseForm(connection, line);
      else await connection.send(line); // an old server does not answer it
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #chooseForm(connection: ClientConnection, before: string): Promise<void> {
    const answer = await connection.ask(`${before}FORM|${this.#form}\n`, this.#options.timeoutMs);
    if (answer.kind !== "form" || answer.form !== this.#form) throw connection.lost ?? refusalOf(answer);
  }

  /** Nothing is sent if anything cannot be sent. */
  #prepareFiles(): void {
    if (this.#form !== "plain") return;
    for (const file of this.#options.files) {
      if (file.obstacle !== undefined) {
        const advice = this.isConfirming ? "leave out --form plain" : "the server knows no other form";
        throw new ProgramError(ExitStatus.notPlain, `${file.item} contains ${file.obstacle}, which the plain form cannot carry; ${advice}`);
      }
      file.cutForPlain();
    }
  }

  #addLane(connection: ClientConnection): void {
    const lane: Lane = { number: this.#lanes.length, connection, unconfirmed: [], chunksSent: 0 };
    this.#lanes.push(lane);
    this.#listen(lane);
  }

  #listen(lane: Lane): void {
    lane.connection.onAnswer = (answer) => this.#onAnswer(answer);
    lane.connection.onLost = () => this.#signal();
  }

  /** Sends what there is until everything is settled. Answers why the lane was given up, if it was. */
  async #work(lane: Lane): Promise<ConnectionLost | undefined> {
    while (true) {
      try {
        await this.#feed(lane);
        return undefined;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) {
          this.abort(error as Error);
          return undefined;
        }
        if (this.#failure !== undefined) return undefined;
        this.#takeBack(lane);
        const lost = await this.#replace(lane, error);
        if (lost !== undefined) return lost;
      }
    }
  }

  async #feed(lane: Lane): Promise<void> {
    while (!this.#isSettled && this.#failure === undefined) {
      const { lost } = lane.connection;
      if (lost !== undefined) throw lost;
      const piece = this.#queue.next();
      if (piece === undefined) {
        await this.#wake.promise;
        continue;
      }
      lane.unconfirmed.push(piece);
      this.#unsentPieces -= 1;
      const { file, chunk } = piece;
      if (this.#results.get(file.item)?.state === "refused") continue; // the server does not want the rest
      const payload = await file.chunk(chunk);
      await lane.connection.send(encodeFrame(file.item, chunk, file.total, payload, this.#form));
      lane.chunksSent += 1;
      this.#sentBytes += payload.length;
      this.#movedAt = performance.now();
      if (this.#unsentPieces === 0) this.#signal();
    }
  }

  /** Puts another connection in the place of a lost one. Answers why, if that is impossible. */
  async #replace(lane: Lane, lost: ConnectionLost): Promise<ConnectionLost | undefined> {
    let reason = lost;
    for (let attempt = 0; RETRIED_CODES.has(reason.code) && this.#lostConnections < this.#options.retries; attempt += 1) {
      this.#lostConnections += 1;
      this.#options.onNote(`connection ${lane.number + 1} was lost (${reason.message}); its chunks go again`);
      await new Promise((resolve) => setTimeout(resolve, FIRST_RETRY_DELAY_MS * 2 ** Math.min(attempt, 5)));
      if (this.#isSettled || this.#failure !== undefined) return undefined;
      try {
        lane.connection = await this.#join();
        this.#listen(lane);
        return undefined;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) {
          this.abort(error as Error);
          return undefined;
        }
        reason = error;
      }
    }
    if (!RETRIED_CODES.has(reason.code)) this.abort(refusedBy(reason));
    return reason;
  }

  /** LINE-16: what went over a lost connection and was not confirmed goes again, over any connection. */
  #takeBack(lane: Lane): void {
    for (const piece of lane.unconfirmed) {
      if (this.isConfirming && this.#results.get(piece.file.item)?.state !== "incomplete") continue;
      this.#queue.putBack(piece);
      this.#unsentPieces += 1;
      this.#resentChunks += 1;
    }
    lane.unconfirmed = [];
    this.#signal();
  }

  #onAnswer(answer: Answer): void {
    this.#movedAt = performance.now();
    if (answer.kind === "ok") {
      const file = this.#results.get(answer.item)?.file;
      if (file === undefined) return;
      const isSame = answer.bytes === file.bytes && answer.sha256 === file.sha256;
      this.#settle({ file, state: isSame ? "stored" : "differs" });
    } else if (answer.kind === "error" && answer.item !== undefined) {
      const result = this.#results.get(answer.item);
      if (result !== undefined) this.#settle({ file: result.file, state: "refused", error: `${answer.code}: ${answer.text}` });
    } else if (answer.kind === "error" && !answer.ends) {
      this.abort(new ProgramError(ExitStatus.refused, `the server refused: ${answer.code}: ${answer.text}`));
    }
  }

  #settle(result: ItemResult): void {
    if (this.#results.get(result.file.item)?.state !== "incomplete") return;
    this.#incompleteItems -= 1;
    this.#results.set(result.file.item, result);
    for (const lane of this.#lanes) lane.unconfirmed = lane.unconfirmed.filter((piece) => piece.file !== result.file);
    this.#signal();
  }

  /** All that can be had from an old server is that it read to the end and closed. */
  async #finishUnconfirmed(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.connection.finish()));
    this.#throwFailure();
    for (const result of this.results) this.#settle({ file: result.file, state: "sent" });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #signal(): void {
    this.#wake.resolve(undefined);
    this.#wake = Promise.withResolvers();
  }
}

function refusalOf(answer: Answer): ProgramError {
  const said = answer.kind === "error" ? `${answer.code}: ${answer.text}` : `an answer that does not belong here (${answer.kind})`;
  return new ProgramError(ExitStatus.refused, `the server refused: ${said}`);
}

function refusedBy(reason: ConnectionLost): ProgramError {
  return new ProgramError(ExitStatus.refused, `the server refused: ${reason.code ?? ""}: ${reason.message}`);
}

function programErrorOf(error: unknown, address: ServerAddress): unknown {
  if (!(error instanceof ConnectionLost)) return error;
  if (error.code !== undefined) return refusedBy(error);
  return new ProgramError(ExitStatus.unreachable, `no session at ${address.host}:${address.port}: ${error.message}`);
}
