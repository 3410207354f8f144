import { readdir, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { FileRequestError, type ListEntry } from "./file-protocol.ts";

/** Entries of one list, at most. */
const MAX_ENTRIES = 100_000;

/** What of a directory may be seen by clients: plain files and directories below it. Links that lead out are not followed. */
export class ServedDirectory {
  readonly #root: string;

  /** `root` is a real path, as `realpath` gives it. */
  constructor(root: string) {
    this.#root = root;
  }

  /** The id of the file at `path`: its parts with "/" between. Rejects with FileRequestError. */
  async fileId(path: string): Promise<string> {
    const parts = partsOf(path);
    if (parts.length === 0)
      throw new FileRequestError("is-directory", "a file is asked for, and this is the directory of all; `kwik ls` lists it");
    const real = await this.#resolve(path, parts);
    const info = await stat(real);
    if (info.isDirectory()) throw new FileRequestError("is-directory", `"${path}" is a directory; \`kwik ls\` lists it`);
    if (!info.isFile()) throw new FileRequestError("forbidden", `"${path}" is not a plain file`);
    return parts.join("/");
  }

  /** What is in the directory at `path`, by name. Rejects with FileRequestError. */
  async list(path: string): Promise<ListEntry[]> {
    const parts = partsOf(path);
    const real = await this.#resolve(path, parts);
    const info = await stat(real);
    if (info.isFile()) return [{ name: parts.at(-1) ?? "", type: "file", size: info.size, modifiedMs: Math.round(info.mtimeMs) }];
    if (!info.isDirectory()) throw new FileRequestError("not-directory", `"${path}" is not a directory`);
    const names = (await readdir(real)).sort().slice(0, MAX_ENTRIES);
    const entries = await Promise.all(names.map((name) => this.#entry(join(real, name), name)));
    return entries.filter((entry) => entry !== undefined);
  }

  async #entry(file: string, name: string): Promise<ListEntry | undefined> {
    try {
      const real = await realpath(file);
      if (!this.#contains(real)) return undefined;
      const info = await stat(real);
      if (!info.isFile() && !info.isDirectory()) return undefined;
      const type = info.isFile() ? "file" : "directory";
      return { name, type, size: info.isFile() ? info.size : 0, modifiedMs: Math.round(info.mtimeMs) };
    } catch {
      return undefined; // gone meanwhile, or a link to nowhere
    }
  }

  async #resolve(path: string, parts: readonly string[]): Promise<string> {
    let real: string;
    try {
      real = await realpath(join(this.#root, ...parts));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EACCES" || code === "EPERM") throw new FileRequestError("forbidden", `"${path}" cannot be read here`);
      throw new FileRequestError("not-found", `"${path}" is not here`);
    }
    if (!this.#contains(real)) throw new FileRequestError("forbidden", `"${path}" leads out of what is served`);
    return real;
  }

  #contains(real: string): boolean {
    return real === this.#root || real.startsWith(this.#root.endsWith(sep) ? this.#root : this.#root + sep);
  }
}

/** The parts of a path; what would leave the directory, or means something else on some system, is refused. */
function partsOf(path: string): string[] {
  if (path.includes("\0") || path.includes("\\")) throw new FileRequestError("forbidden", "the path has a backslash or a zero byte");
  const parts = path.replace(/^\//, "").replace(/\/$/, "").split("/");
  if (parts.length === 1 && parts[0] === "") return [];
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new FileRequestError("forbidden", `"${path}" has an empty part, "." or ".."`);
  }
  return parts;
}
