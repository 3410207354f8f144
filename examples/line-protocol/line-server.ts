import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { ItemStore } from "./item-store.ts";
import type { Limits } from "./limits.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { Refusal } from "./refusal.ts";
import { ServerConnection } from "./server-connection.ts";
import type { CompleteItem } from "./session.ts";
import { SessionTable } from "./session-table.ts";

/** So many connections above the limit are told so; any more are dropped without a word. */
const MAX_REFUSED_CONNECTIONS = 32;

export interface LineServerOptions {
  readonly host: string;
  readonly port: number;
  /** Where complete items go; without it they are only hashed. */
  readonly folder?: string | undefined;
  /** Whether a file of the same name is replaced. Default false: it is kept and the item refused. */
  readonly overwrites?: boolean;
  readonly limits: Limits;
  readonly onComplete: (complete: CompleteItem) => void;
  readonly onFault: (sentence: string) => void;
}

/** A server of the line protocol. */
export class LineServer {
  readonly #options: LineServerOptions;
  readonly #server: Server;
  readonly #budget: MemoryBudget;
  readonly #sessions: SessionTable;
  readonly #connections = new Map<ServerConnection, Promise<void>>();
  #connectionCount = 0;

  private constructor(options: LineServerOptions) {
    this.#options = options;
    const { limits, onComplete, onFault } = options;
    this.#budget = new MemoryBudget(limits.maxServerBytes);
    const store = new ItemStore(options.folder, options.overwrites ?? false, (item, error) => {
      onFault(`${item} could not be stored: ${error instanceof Error ? error.message : String(error)}`);
    });
    this.#sessions = new SessionTable({ limits, serverBudget: this.#budget, store, onComplete });
    // A client may end its direction and still wait for the answers.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
    this.#server.maxConnections = limits.maxConnections + MAX_REFUSED_CONNECTIONS;
  }

  /** Rejects with the system's error if it cannot listen. */
  static async listen(options: LineServerOptions): Promise<LineServer> {
    const server = new LineServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", reject);
      server.#server.listen(options.port, options.host, resolve);
    });
    server.#server.on("error", (error) => options.onFault(error.message));
    return server;
  }

  /** "host:port" */
  get address(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** The most memory that was held for items at one time, in bytes. */
  get mostHeldBytes(): number {
    return this.#budget.mostHeldBytes;
  }

  /** Takes no more connections and ends those there are. Files that are being written are finished. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections.keys()) connection.refuse(new Refusal("SHUTTING_DOWN"));
    await Promise.all(this.#connections.values());
    await closed;
    this.#sessions.stop();
  }

  #serve(socket: Socket): void {
    this.#connectionCount += 1;
    const connection = new ServerConnection(socket, this.#connectionCount, this.#options.limits, this.#sessions);
    if (this.#connections.size >= this.#options.limits.maxConnections) connection.refuse(new Refusal("TOO_MANY_CONNECTIONS"));
    const served = connection
      .run()
      .catch((error: unknown) => {
        socket.destroy();
        this.#options.onFault(error instanceof Error ? (error.stack ?? error.message) : String(error));
      })
      .finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
  }
}
