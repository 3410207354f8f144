import { parseDecimal } from "./decimal-number.ts";
import type { Frame } from "./frame-decoder.ts";
import { ItemAssembly } from "./item-assembly.ts";
import { isItemName } from "./item-name.ts";
import type { ItemStore, StoredItem } from "./item-store.ts";
import type { Limits } from "./limits.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { Refusal, type RefusalCode } from "./refusal.ts";

/** What an item costs as long as its session lasts, complete or not: its name, its state, its hash. */
const ITEM_OVERHEAD_BYTES = 1024;

/** What is remembered of an item. Complete and refused ones are remembered so that a late chunk does not begin them again. */
type ItemState =
  | { readonly state: "open"; readonly assembly: ItemAssembly }
  | { readonly state: "storing"; readonly settled: Promise<string> }
  | { readonly state: "stored"; readonly total: number; readonly answer: string }
  | { readonly state: "refused"; readonly code: RefusalCode };

/** What the server program is told of a complete item. */
export interface CompleteItem extends StoredItem {
  readonly item: string;
  readonly chunks: number;
  readonly connections: number;
}

/** What a session needs of its server. */
export interface SessionSurroundings {
  readonly limits: Limits;
  readonly serverBudget: MemoryBudget;
  readonly store: ItemStore;
  readonly onComplete: (complete: CompleteItem) => void;
}

/** The items of one session, fed by any number of connections. */
export class Session {
  readonly id: string;
  readonly #surroundings: SessionSurroundings;
  readonly #budget: MemoryBudget;
  readonly #items = new Map<string, ItemState>();

  constructor(id: string, surroundings: SessionSurroundings) {
    this.id = id;
    this.#surroundings = surroundings;
    this.#budget = new MemoryBudget(surroundings.limits.maxSessionBytes, surroundings.serverBudget);
  }

  /**
   * Takes one chunk; answers what the client is to be told, "" for nothing. Waits while files are written that will make room (LINE-18).
   * Throws a Refusal.
   */
  async accept(frame: Frame, connectionId: number): Promise<string> {
    const { item, payload } = frame;
    const { limits } = this.#surroundings;
    if (!isItemName(item)) throw new Refusal("BAD_ITEM");
    const chunk = parseDecimal(frame.chunk);
    const total = parseDecimal(frame.total);
    if (chunk === undefined || total === undefined || chunk >= total) throw new Refusal("BAD_COUNT", item);
    if (total > limits.maxChunksPerItem) throw new Refusal("TOO_MANY_CHUNKS", item);

    // After any wait another connection may have changed the item; then everything is looked at again.
    while (true) {
      const known = this.#items.get(item);
      if (known === undefined) {
        if (this.#items.size >= limits.maxItemsPerSession) throw new Refusal("TOO_MANY_ITEMS", item);
        const full = this.#budget.take(ITEM_OVERHEAD_BYTES);
        if (full === undefined) this.#items.set(item, { state: "open", assembly: new ItemAssembly(total) });
        else if (full.willShrink) await full.shrunk();
        else throw new Refusal(this.#codeOf(full), item);
        continue;
      }
      if (known.state === "refused") throw new Refusal(known.code, item);
      if (known.state === "storing") {
        await known.settled.catch(() => {}); // the next round tells
        continue;
      }
      if (known.state === "stored") {
        if (known.total !== total) throw new Refusal("TOTAL_CHANGED", item);
        return known.answer;
      }
      const { assembly } = known;
      if (assembly.total !== total) throw this.#refuse(item, assembly, "TOTAL_CHANGED");
      const before = assembly.chunk(chunk);
      if (before !== undefined) {
        if (Buffer.compare(before, payload) !== 0) throw this.#refuse(item, assembly, "CHUNK_CHANGED");
        return `DUPLICATE|${item}|${chunk}\n`;
      }
      if (assembly.payloadBytes + payload.length > limits.maxItemBytes) throw this.#refuse(item, assembly, "ITEM_TOO_LARGE");
      const full = this.#budget.take(ItemAssembly.bytesFor(payload));
      if (full === undefined) {
        assembly.add(chunk, payload, connectionId);
        return assembly.isComplete ? await this.#complete(item, assembly) : "";
      }
      if (full.willShrink) await full.shrunk();
      else throw this.#refuse(item, assembly, this.#codeOf(full));
    }
  }

  /** Forgets all items. No connection may be in the session. */
  end(): void {
    this.#items.clear();
    this.#budget.giveBack(this.#budget.heldBytes);
  }

  #codeOf(full: MemoryBudget): RefusalCode {
    return full === this.#budget ? "SESSION_FULL" : "SERVER_FULL";
  }

  #refuse(item: string, assembly: ItemAssembly, code: RefusalCode): Refusal {
    this.#items.set(item, { state: "refused", code });
    this.#budget.giveBack(assembly.heldBytes);
    return new Refusal(code, item);
  }

  async #complete(item: string, assembly: ItemAssembly): Promise<string> {
    const settled = this.#budget.giveBackAfter(assembly.heldBytes, this.#store(item, assembly));
    this.#items.set(item, { state: "storing", settled });
    try {
      const answer = await settled;
      this.#items.set(item, { state: "stored", total: assembly.total, answer });
      return answer;
    } catch (error) {
      this.#items.set(item, { state: "refused", code: error instanceof Refusal ? error.code : "NOT_STORED" });
      throw error;
    }
  }

  async #store(item: string, assembly: ItemAssembly): Promise<string> {
    const { store, onComplete } = this.#surroundings;
    const stored = await store.store(item, assembly.inOrder());
    onComplete({ item, chunks: assembly.total, connections: assembly.connectionCount, ...stored });
    return `OK|${item}|${stored.bytes}|${stored.sha256}\n`;
  }
}
