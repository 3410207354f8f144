import type { ClientSession, SessionEvent } from "kwik";
import { placeOf } from "../path-place.ts";

/** A server that is not used (any more), and why. */
export interface IsolatedServer {
  readonly code: string;
  readonly address: string;
  readonly reason: string;
}

/** One that has another version of the file. */
export interface OtherVersion {
  readonly address: string;
  /** "sha256:…" if it is known, else the address: who has two addresses counts once. */
  readonly server: string;
  readonly version: string;
}

/** Says in words what happens to a session's servers. */
export class PathNotices {
  readonly #session: ClientSession;
  readonly #say: (text: string) => void;
  readonly #onIsolated: (server: IsolatedServer, other: OtherVersion | undefined) => void;
  #isMuted = false;

  constructor(
    session: ClientSession,
    say: (text: string) => void,
    onIsolated: (server: IsolatedServer, other: OtherVersion | undefined) => void,
  ) {
    this.#session = session;
    this.#say = say;
    this.#onIsolated = onIsolated;
  }

  /** Resolves when the session ends. */
  async run(): Promise<void> {
    for await (const event of this.#session.events()) if (!this.#isMuted) this.#tell(event);
  }

  /** What comes now is of no interest: the work is done. */
  mute(): void {
    this.#isMuted = true;
  }

  #tell(event: SessionEvent): void {
    switch (event.type) {
      case "path-active":
        if (event.path.transportChoice === "fallback")
          this.#say(`${placeOf(event.path)} goes on over ${event.path.transport}; the other transport is silent`);
        else if (event.path.transportChoice === "return") this.#say(`${placeOf(event.path)} is reached over ${event.path.transport} again`);
        else if (event.path.id !== 0) this.#say(`${placeOf(event.path)} takes part`);
        return;
      case "path-dead":
        this.#say(`lost ${placeOf(event.path)}: ${event.reason}`);
        return;
      case "path-failed":
        this.#say(`cannot use ${event.address}: ${event.reason}`);
        return;
      case "source-isolated":
        this.#tellIsolated(event);
        return;
      case "suspended":
        this.#say("no server is left; waiting for one to come back");
        return;
      case "resumed":
        this.#say("a server is back");
        return;
      case "source-slow":
        this.#say(`${event.path?.address ?? "a server"} is slow and not asked while others are faster`);
        return;
      case "going-away": {
        const instead = event.replacements.length === 0 ? "" : `; it names ${event.replacements.join(", ")} instead`;
        this.#say(`${event.path?.address ?? "a server"} is shutting down${instead}`);
        return;
      }
      case "server-lost":
        this.#say(`${event.path?.address ?? "a server"} is gone from the session: ${event.reason}`);
        return;
      default:
    }
  }

  #tellIsolated(event: Extract<SessionEvent, { type: "source-isolated" }>): void {
    const address = event.path?.address ?? "a server";
    const { path, code, reason, version } = event;
    const isOther = code === "CONTENT_VERSION" && version !== "" && path !== undefined;
    this.#onIsolated({ address, code, reason }, isOther ? { address, server: path.identity ?? address, version } : undefined);
    if (event.code === "CONTENT_NOT_FOUND") this.#say(`${address} does not have this file and is not asked for it`);
    else if (event.code === "CONTENT_VERSION")
      this.#say(`${address} has other bytes under this name and is isolated: nothing of it is used`);
    else if (event.code === "CONTENT_CORRUPT") this.#say(`${address} sent bytes that do not verify and is isolated: nothing of it is used`);
    else this.#say(`${address} is isolated: ${event.reason}`);
  }
}
