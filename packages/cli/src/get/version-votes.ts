import type { OtherVersion } from "./path-notices.ts";

/** A version that more servers have than the one that is being fetched. */
export interface Majority {
  readonly version: string;
  /** How many servers have it. */
  readonly servers: number;
}

/** Counts the servers that have other versions of a file than the first, which alone does not say what is right. */
export class VersionVotes {
  readonly #servers = new Map<string, Set<string>>();

  add({ version, server }: OtherVersion): void {
    let servers = this.#servers.get(version);
    if (servers === undefined) {
      servers = new Set();
      this.#servers.set(version, servers);
    }
    servers.add(server);
  }

  /** The version that at least two servers have, and more than the `supporters` of the one that is being fetched. */
  outvoting(supporters: number): Majority | undefined {
    let most: Majority | undefined;
    for (const [version, { size }] of this.#servers) {
      if (size >= 2 && size > Math.max(supporters, most?.servers ?? 0)) most = { version, servers: size };
    }
    return most;
  }

  /** How many servers have another version. */
  get count(): number {
    let count = 0;
    for (const servers of this.#servers.values()) count += servers.size;
    return count;
  }
}
