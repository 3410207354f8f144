import { connect, type Socket } from "node:net";
import { type Answer, AnswerReader } from "./answer-reader.ts";

/** Thrown when a connection is over: by the network, or by an error answer that ends it. */
export class ConnectionLost extends Error {
  /** What the server said, if it said anything. */
  readonly code: string | undefined;

  constructor(sentence: string, code?: string) {
    super(sentence);
    this.name = "ConnectionLost";
    this.code = code;
  }
}

/** Where a server is. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** The client's end of one connection. */
export class ClientConnection {
  /** Called for each answer that nobody asked for by `ask`. */
  onAnswer: (answer: Answer) => void = () => {};
  /** Called once, when nothing more can be sent or will come. */
  onLost: (reason: ConnectionLost) => void = () => {};
  readonly #socket: Socket;
  readonly #reader = new AnswerReader();
  #asked: { readonly resolve: (answer: Answer) => void; readonly reject: (reason: ConnectionLost) => void } | undefined;
  #lost: ConnectionLost | undefined;
  readonly #drained = new Set<() => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data: Uint8Array) => this.#read(data));
    socket.on("error", (error) => this.#lose(new ConnectionLost(error.message)));
    socket.on("end", () => this.#lose(new ConnectionLost("the server ended the connection")));
    socket.on("close", () => this.#lose(new ConnectionLost("the connection was closed")));
    socket.on("drain", () => this.#wakeSenders());
  }

  /** Connects. Rejects with ConnectionLost, after `timeoutMs` at the latest. The signal closes the connection at any time. */
  static async open(address: ServerAddress, timeoutMs: number, signal: AbortSignal): Promise<ClientConnection> {
    const socket = connect({ host: address.host, port: address.port, signal });
    const connection = new ClientConnection(socket);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
      connection.onLost = reject;
      socket.once("connect", resolve).once("connect", () => clearTimeout(timer));
      socket.once("close", () => clearTimeout(timer));
    });
    connection.onLost = () => {};
    return connection;
  }

  /** Why the connection is over; undefined while it is not. */
  get lost(): ConnectionLost | undefined {
    return this.#lost;
  }

  /** Sends a line and resolves with the next answer. Rejects with ConnectionLost, after `timeoutMs` at the latest. */
  async ask(line: string, timeoutMs: number): Promise<Answer> {
    if (this.#lost !== undefined) throw this.#lost;
    const timer = setTimeout(() => this.#socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#asked = { resolve, reject };
        this.#socket.write(line);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends bytes; resolves when the next ones may be sent. Rejects with ConnectionLost. */
  async send(bytes: Uint8Array | string): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#socket.write(bytes)) return;
    await new Promise<void>((resolve) => this.#drained.add(resolve));
    // It may have been lost meanwhile, which wakes too.
    const { lost } = this;
    if (lost !== undefined) throw lost;
  }

  /** Says that nothing more will be sent, and resolves when the server has ended its direction too, or the connection is lost. */
  async finish(): Promise<ConnectionLost> {
    if (this.#lost !== undefined) return this.#lost;
    return await new Promise((resolve) => {
      this.onLost = resolve;
      this.#socket.end();
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(data: Uint8Array): void {
    try {
      for (const answer of this.#reader.read(data)) {
        const asked = this.#asked;
        this.#asked = undefined;
        if (asked !== undefined) asked.resolve(answer);
        else this.onAnswer(answer);
        if (answer.kind === "error" && answer.ends) this.#lose(new ConnectionLost(answer.text, answer.code));
      }
    } catch (error) {
      this.#lose(new ConnectionLost((error as Error).message));
    }
  }

  /** The first reason is the true one. */
  #lose(reason: ConnectionLost): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#socket.end();
    this.#asked?.reject(reason);
    this.#wakeSenders();
    this.onLost(reason);
  }

  #wakeSenders(): void {
    for (const wake of this.#drained) wake();
    this.#drained.clear();
  }
}
