import { formatAddress, isKwikError, parseAddress, type ServerSession } from "kwik";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";

/** A server with the same files. */
export interface PeerServer {
  /** "host:port" */
  readonly address: string;
  /** "sha256:…", for clients that trust by pin and not by an authority. */
  readonly identity: string | undefined;
}

/** Reads HOST:PORT or HOST:PORT#sha256:…. Throws a usage error for anything else. */
export function parsePeer(text: string): PeerServer {
  const [address = "", identity] = text.split("#", 2);
  try {
    const parsed = formatAddress(parseAddress(address));
    if (identity === undefined || /^sha256:[0-9a-f]{64}$/.test(identity)) return { address: parsed, identity };
  } catch (error) {
    if (!isKwikError(error)) throw error;
  }
  throw new CommandError(ExitStatus.usage, `"${text}" is not a peer; write HOST:PORT, or HOST:PORT#sha256:… with its identity`);
}

/** Adds the peers to sessions, so that clients use them too. */
export class SessionPeers {
  readonly #peers: readonly PeerServer[];
  readonly #log: (text: string) => void;

  constructor(peers: readonly PeerServer[], log: (text: string) => void) {
    this.#peers = peers;
    this.#log = log;
  }

  /** Adds them to a session that begins here, or whose primary this server becomes. A peer that cannot be added is reported and left out. */
  follow(session: ServerSession): void {
    if (this.#peers.length === 0) return;
    // A client may name its primary as often as it likes, and take its time with what it is asked: each peer is asked for once at a time.
    const asked = new Set<string>();
    void this.#addWhenPrimary(session, asked);
    if (session.role === "primary") this.#addTo(session, asked);
  }

  async #addWhenPrimary(session: ServerSession, asked: Set<string>): Promise<void> {
    for await (const event of session.events()) if (event.type === "primary-changed" && event.isHere) this.#addTo(session, asked);
  }

  #addTo(session: ServerSession, asked: Set<string>): void {
    const there = new Set(session.activePaths().map((path) => path.address));
    for (const { address, identity } of this.#peers) {
      if (there.has(address) || asked.has(address)) continue;
      asked.add(address);
      session
        .addPath(address, identity === undefined ? {} : { identity })
        .catch((error: unknown) => {
          if (isKwikError(error) && session.activePaths().length === 0) return; // the session is over
          this.#log(`session ${session.id.slice(0, 8)} goes without ${address}: ${sentenceOf(error)}`);
        })
        .finally(() => asked.delete(address));
    }
  }
}
