import { type ClientSession, dial, type DialOptions, isKwikError, KwikError, type PathInfo } from "kwik";
import { formatBytes, formatSeconds } from "../byte-size.ts";
import { CommandError, ExitStatus, exitStatusOf, sentenceOf } from "../exit-status.ts";
import type { OpenedFile } from "../files/file-client.ts";
import { BLOCK_BYTES, FileRequestError } from "../files/file-protocol.ts";
import type { Output } from "./output.ts";
import type { RemoteFile } from "./remote-file.ts";
import { type IsolatedServer, type OtherVersion, PathNotices } from "./path-notices.ts";
import { type Majority, VersionVotes } from "./version-votes.ts";

/** When a session has waited for a server in vain, so much longer it is tried to begin a new one, in milliseconds. */
const DIAL_ANEW_MS = 2_500;
const RETRY_PAUSE_MS = 300;
/** How often each server is tried without a new byte, at most. */
const MAX_ROUNDS = 8;
const CLOSE_WAIT_MS = 1_000;

export interface DownloadOptions {
  /** "kwik://host:port"; the first that answers becomes the session's primary, the others join it. Its version is fetched, unless it is outvoted. */
  readonly servers: readonly string[];
  readonly file: RemoteFile;
  readonly output: Output;
  readonly dial: Pick<DialOptions, "trust" | "transport" | "relays" | "pathPolicy">;
  /** How long it waits for a server when none is left, in milliseconds. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
  /** Told in words what people should know while it runs. */
  readonly onNotice: (text: string) => void;
}

interface Failure {
  readonly server: string;
  readonly error: unknown;
}

/** Servers that a message names, at most. */
const MAX_NAMED_SERVERS = 4;

/** Whoever else has the file agrees that it is another one. */
class OutvotedError extends Error {
  readonly majority: Majority;

  constructor(majority: Majority) {
    super(`${majority.servers} other servers agree on another version`);
    this.majority = majority;
  }
}

/** Fetches one file over all servers that have it, from where the output stands; carries on over lost servers and lost sessions. */
export class Download {
  isolated: IsolatedServer[] = [];
  readonly #options: DownloadOptions;
  /** Paths of sessions that are over. */
  #pastPaths: readonly PathInfo[] = [];
  #session: ClientSession | undefined;
  #size: number | undefined;
  #version: string | undefined;
  #resumedFrom = 0;
  #lastProgress = performance.now();
  /** When there was last a reason to hope: a byte came, or a session failed although servers were left. */
  #hopefulAt = performance.now();
  #longestGapMs = 0;
  #isOutputChecked = false;
  #sessions = 0;
  #pastSuspensions = 0;
  /** Those that are left to be the primary: all, without those that were outvoted. */
  #servers: readonly string[];

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.#servers = options.servers;
  }

  /** Bytes of the whole file; undefined before a server said so. */
  get size(): number | undefined {
    return this.#size;
  }

  /** Bytes that were there before. */
  get resumedFrom(): number {
    return this.#resumedFrom;
  }

  get position(): number {
    return this.#options.output.position;
  }

  /** The longest time between two arrivals of bytes in order, in milliseconds. */
  get longestGapMs(): number {
    return this.#longestGapMs;
  }

  /** Sessions so far. */
  get sessions(): number {
    return this.#sessions;
  }

  /** How often they were without a server. */
  get suspensions(): number {
    return this.#pastSuspensions + (this.#session?.stats().suspensions ?? 0);
  }

  /** Every path so far. */
  get paths(): readonly PathInfo[] {
    return this.#session === undefined ? this.#pastPaths : [...this.#pastPaths, ...this.#session.stats().paths];
  }

  /** Resolves when the whole file is in the output. Rejects with an error that `exitStatusOf` knows. */
  async run(): Promise<void> {
    const { output, signal } = this.#options;
    let failures: Failure[] = [];
    for (let turn = 0; ; turn += 1) {
      const servers = this.#servers;
      const server = servers[turn % servers.length] as string;
      const before = output.position;
      try {
        await this.#attempt(server, servers.length - (turn % servers.length));
        return;
      } catch (error) {
        if (signal.aborted) throw this.#interrupted();
        // What is wrong with the output will not become better at another server.
        if (error instanceof CommandError) throw error;
        if (error instanceof OutvotedError) {
          await this.#startAnewWithout(server, error.majority);
          failures = [];
          turn = -1;
          continue;
        }
        if (output.position > before) failures = [];
        failures.push({ server, error });
      }
      const isRoundOver = failures.length >= servers.length;
      if (isRoundOver && (this.#size === undefined || failures.slice(-servers.length).every(({ error }) => this.#isFinal(error)))) break;
      if (performance.now() - this.#hopefulAt > this.#giveUpMs - RETRY_PAUSE_MS || failures.length >= MAX_ROUNDS * servers.length) break;
      if (isRoundOver) await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      else this.#options.onNotice(`${sentenceOf(failures.at(-1)?.error)}; trying ${servers[(turn + 1) % servers.length] as string}`);
    }
    throw this.#failure(failures);
  }

  async #attempt(server: string, serversLeft: number): Promise<void> {
    const { file: remote, output, signal } = this.#options;
    const session = await this.#dial(server, serversLeft);
    this.#session = session;
    this.#sessions += 1;
    const votes = new VersionVotes();
    let outvoted: OutvotedError | undefined;
    let hasFailed = false;
    const notices = new PathNotices(session, this.#options.onNotice, (isolated, other) => {
      if (!this.isolated.some(({ address, code }) => address === isolated.address && code === isolated.code)) this.isolated.push(isolated);
      const majority = other === undefined ? undefined : this.#outvoting(session, votes, other);
      if (majority === undefined || outvoted !== undefined) return;
      outvoted = new OutvotedError(majority);
      void session.closeWithError(0, "another version is wanted").catch(() => undefined);
    });
    void notices.run();
    const interrupt = (): void => void session.closeWithError(0, "interrupted").catch(() => undefined);
    signal.addEventListener("abort", interrupt, { once: true });
    if (signal.aborted) interrupt();
    try {
      if (!this.#isOutputChecked) await this.#checkOutput(session);
      if (this.#size !== undefined && this.#size > 0 && output.position === this.#size) return;
      const offset = output.position - (output.position % BLOCK_BYTES);
      const file = await remote.open(session, offset, this.#version);
      this.#size = file.found.size;
      this.#version = file.found.version;
      await this.#receive(file, output.position - offset);
      if (output.position !== this.#size) {
        throw new FileRequestError("failed", `the stream ended after ${output.position} of ${this.#size} bytes`);
      }
    } catch (error) {
      hasFailed = true;
      throw outvoted ?? error;
    } finally {
      signal.removeEventListener("abort", interrupt);
      notices.mute();
      const { paths, suspensions } = session.stats();
      this.#pastSuspensions += suspensions;
      if (paths.some((path) => path.state === "active")) this.#hopefulAt = performance.now();
      this.#pastPaths = [...this.#pastPaths, ...(hasFailed ? paths.map(endedPath) : paths)];
      this.#session = undefined;
      // The file does not depend on the farewell.
      const closed = session.close().catch(() => undefined);
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, CLOSE_WAIT_MS).unref())]);
    }
  }

  /** Counts another version; the one that outvotes the primary's, if one does. Servers that have not said otherwise are for the primary. */
  #outvoting(session: ClientSession, votes: VersionVotes, other: OtherVersion): Majority | undefined {
    votes.add(other);
    const supporters = new Set<string>();
    for (const path of session.stats().paths) {
      if (path.state === "active" && !this.isolated.some(({ address }) => address === path.address))
        supporters.add(path.identity ?? path.address);
    }
    return votes.outvoting(Math.max(1, supporters.size));
  }

  /** The bytes of `server` are given up for those on which the others agree. Rejects if they cannot be taken back. */
  async #startAnewWithout(server: string, { version, servers }: Majority): Promise<void> {
    const { output, onNotice } = this.#options;
    const address = server.slice(server.indexOf("//") + 2);
    const words = `${address} has other bytes under this name than ${servers} others, which agree`;
    if (!output.isResumable && output.position > 0)
      throw new CommandError(ExitStatus.integrity, `${words}, and what is written cannot be taken back; leave it out, or use -o FILE`);
    onNotice(`${words}: it is left out, and the download starts anew`);
    this.isolated = [{ address, code: "CONTENT_VERSION", reason: `${servers} others agree on another version` }];
    this.#servers = this.#servers.filter((other) => other !== server);
    this.#version = version;
    this.#size = undefined;
    this.#resumedFrom = 0;
    this.#hopefulAt = performance.now();
    await output.startAnew();
  }

  /** The time that is left is shared by the servers that are left. */
  async #dial(server: string, serversLeft: number): Promise<ClientSession> {
    const { dial: options, signal } = this.#options;
    const servers = this.#servers;
    const waitMs = Math.ceil(Math.max(500, this.#giveUpMs - (performance.now() - this.#hopefulAt)) / serversLeft);
    try {
      return await dial(server, {
        ...options,
        servers: servers.filter((other) => other !== server),
        limits: { graceMs: this.#options.graceMs },
        signal: AbortSignal.any([signal, AbortSignal.timeout(waitMs)]),
      });
    } catch (error) {
      if (!isKwikError(error) || error.code !== "ABORTED" || signal.aborted) throw error;
      throw new KwikError("UNREACHABLE", `${server} did not answer in ${formatSeconds(waitMs / 1000)}`, { cause: error });
    }
  }

  /** Without a new byte for this long, a download whose connection failed gives up. */
  get #giveUpMs(): number {
    return this.#options.graceMs + DIAL_ANEW_MS;
  }

  /** Finds out how much of what is in the output is the beginning of the file. */
  async #checkOutput(session: ClientSession): Promise<void> {
    const { file, output, onNotice } = this.#options;
    if (output.existingBytes > 0) {
      const known = await file.hashes(session, Math.ceil(output.existingBytes / BLOCK_BYTES));
      if (known === undefined) {
        onNotice(`${output.label} is there, and of what a web server has nothing can be verified beforehand; starting anew`);
        this.#isOutputChecked = true;
        return;
      }
      const { found, hashes } = known;
      this.#size = found.size;
      this.#version = found.version;
      this.#resumedFrom = await output.keepVerified(hashes, found.size);
      this.#lastProgress = this.#hopefulAt = performance.now();
      if (this.#resumedFrom === found.size) onNotice(`${output.label} has all of it already`);
      else if (this.#resumedFrom > 0)
        onNotice(`${output.label} has the first ${formatBytes(this.#resumedFrom)} of it, verified; going on from there`);
      else onNotice(`${output.label} is no beginning of this file (or of another version); starting anew`);
    }
    this.#isOutputChecked = true;
  }

  async #receive(file: OpenedFile, skipBytes: number): Promise<void> {
    const { output } = this.#options;
    const size = this.#size as number;
    let toSkip = skipBytes;
    let isFirst = this.position === this.#resumedFrom;
    for (let data = await file.read(); data !== null; data = await file.read()) {
      const now = performance.now();
      if (!isFirst) this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastProgress);
      isFirst = false;
      this.#lastProgress = this.#hopefulAt = now;
      const fresh = toSkip > 0 ? data.subarray(toSkip) : data;
      toSkip = Math.max(0, toSkip - data.length);
      if (output.position + fresh.length > size)
        throw new FileRequestError("failed", `the server sent more than the ${size} bytes it announced`);
      if (fresh.length > 0) await output.write(fresh);
    }
  }

  #failure(failures: readonly Failure[]): CommandError {
    const { path } = this.#options.file;
    const told = failures.find(({ error }) => exitStatusOf(error) === ExitStatus.untrusted) ?? failures.at(-1);
    const { server, error: cause } = told as Failure;
    if (cause instanceof FileRequestError) {
      const asked = failures.length > 1 ? ` (${failures.length} servers were asked)` : "";
      return new CommandError(statusOfRefusal(cause), `${server} cannot give "${path}": ${cause.message}${asked}`, { cause });
    }
    let status = exitStatusOf(cause);
    // Servers were there, but what they gave was wrong.
    if (status === ExitStatus.unreachable && this.#hasLiar) status = ExitStatus.integrity;
    const reason = sentenceOf(cause);
    if (status === ExitStatus.untrusted) {
      // What the library advises is for programs; here flags help.
      const [fact = reason] = reason.split(";");
      const advice = "use the --ca or --pin that belongs to it, or do not use this server";
      return new CommandError(status, `${server}: ${fact}; ${advice}`, { cause });
    }
    if (this.#size === undefined) {
      const advice = status === ExitStatus.unreachable ? "; check the address and whether the server runs" : "";
      return new CommandError(status, `${reason}${advice}`, { cause });
    }
    const what =
      status === ExitStatus.integrity
        ? "no server gives bytes that verify"
        : `${listOf(this.#servers)} ${this.#servers.length > 1 ? "were all" : "was"} lost`;
    const progress = `at ${formatBytes(this.position)} of ${formatBytes(this.#size)}`;
    return new CommandError(status, `${what} ${progress}: ${reason}${this.#howToGoOn()}`, { cause });
  }

  /** Whether trying the same servers again is of no use. */
  #isFinal(error: unknown): boolean {
    if (error instanceof FileRequestError) return error.code !== "failed";
    if (isKwikError(error) && error.code === "CONTENT_UNAVAILABLE") return this.#hasLiar;
    const status = exitStatusOf(error);
    return status !== ExitStatus.unreachable && status !== ExitStatus.interrupted && status !== ExitStatus.integrity;
  }

  get #hasLiar(): boolean {
    return this.isolated.some((server) => server.code === "CONTENT_CORRUPT");
  }

  #interrupted(): CommandError {
    const progress = this.#size === undefined ? "" : ` at ${formatBytes(this.position)} of ${formatBytes(this.#size)}`;
    return new CommandError(ExitStatus.interrupted, `interrupted${progress}${this.#howToGoOn()}`);
  }

  #howToGoOn(): string {
    const { output } = this.#options;
    if (!output.isResumable || Math.max(output.position, output.existingBytes) === 0) return "";
    return `; ${output.label} keeps what came, run the same command again to go on`;
  }
}

/** A path of a session that was given up: whatever it was then, it is of no use now. */
function endedPath(path: PathInfo): PathInfo {
  return path.state === "dead" || path.state === "closed" ? path : { ...path, state: "closed", reason: "its session is over" };
}

function statusOfRefusal(error: FileRequestError): ExitStatus {
  if (error.code === "version-changed") return ExitStatus.integrity;
  return error.code === "failed" || error.code === "bad-request" ? ExitStatus.unreachable : ExitStatus.notFound;
}

/** "a, b and c"; the first few of many. */
function listOf(servers: readonly string[]): string {
  if (servers.length > MAX_NAMED_SERVERS)
    return `all ${servers.length} servers, ${servers.slice(0, MAX_NAMED_SERVERS).join(", ")} and others,`;
  return servers.length > 1 ? `${servers.slice(0, -1).join(", ")} and ${servers.at(-1) ?? ""}` : (servers[0] ?? "");
}
