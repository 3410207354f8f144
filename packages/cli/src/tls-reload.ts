import { readFile } from "node:fs/promises";
import { loadClusterFile } from "@kwik/trust";
import type { Listener } from "kwik";
import { sentenceOf } from "./exit-status.ts";
import { type TlsFlags, tlsOf } from "./tls-flags.ts";

/** How often the files are looked at, in milliseconds. */
const LOOK_INTERVAL_MS = 5_000;

/**
 * Gives a listener the certificate and the cluster file that its flags name, when these change: at once on SIGHUP, else within some seconds. Sessions stay. What cannot
 * be used is told of, once, and what was in use stays in use.
 */
export class TlsReload {
  readonly #listener: Listener;
  readonly #flags: TlsFlags;
  readonly #log: (text: string) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #onSignal = (): void => void this.look();
  /** What was last tried, whether it could be used or not. */
  #tls: string | undefined;
  #cluster: string | undefined;
  #looking: Promise<void> | undefined;

  private constructor(listener: Listener, flags: TlsFlags, log: (text: string) => void, intervalMs: number) {
    this.#listener = listener;
    this.#flags = flags;
    this.#log = log;
    // Without files a terminal that is closed ends the process, as ever.
    if (flags.cert !== undefined || flags.cluster !== undefined) process.on("SIGHUP", this.#onSignal);
    this.#timer = setInterval(this.#onSignal, intervalMs);
    this.#timer.unref();
  }

  /** Call it before the files may change: what they hold now is what the listener is taken to have. */
  static async of(listener: Listener, flags: TlsFlags, log: (text: string) => void, intervalMs = LOOK_INTERVAL_MS): Promise<TlsReload> {
    const reload = new TlsReload(listener, flags, log, intervalMs);
    reload.#tls = await textOf(flags.cert, flags.key);
    reload.#cluster = await textOf(flags.cluster);
    return reload;
  }

  /** Looks at the files now. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { cert, key, cluster } = this.#flags;
    const tlsText = await textOf(cert, key);
    // A file that is not there is being replaced.
    if (tlsText !== undefined && tlsText !== this.#tls) {
      this.#tls = tlsText;
      await this.#take(`the certificate in ${cert ?? ""}`, async () => {
        const tls = await tlsOf(this.#flags);
        if (tls !== "self-signed") await this.#listener.updateTls(tls);
      });
    }
    const clusterText = await textOf(cluster);
    if (cluster !== undefined && clusterText !== undefined && clusterText !== this.#cluster) {
      this.#cluster = clusterText;
      await this.#take(cluster, async () => this.#listener.updateCluster(await loadClusterFile(cluster)));
    }
  }

  async #take(what: string, take: () => Promise<void>): Promise<void> {
    try {
      await take();
      this.#log(`${what} is new and in use`);
    } catch (error) {
      this.#log(`${what} is new and cannot be used, so the one before stays: ${sentenceOf(error)}`);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    process.off("SIGHUP", this.#onSignal);
  }
}

/** What the files hold together; undefined if one is not named or cannot be read. */
async function textOf(...files: readonly (string | undefined)[]): Promise<string | undefined> {
  const texts: string[] = [];
  for (const file of files) {
    const text = file === undefined ? undefined : await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return texts.join("\n");
}
