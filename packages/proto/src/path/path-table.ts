import type { MemberId, PathId } from "../base/ids.ts";
import type { Path } from "./path.ts";

/** All paths of a session, also those that ended: their numbers are never used again. spec: PATH-1 */
export class PathTable<F, P extends Path<F> = Path<F>> {
  readonly #byId = new Map<PathId, P>();
  readonly #all: P[] = [];
  readonly #byMember = new Map<MemberId, P[]>();
  readonly #usableByMember = new Map<MemberId, readonly P[]>();
  #forgottenTo: PathId = -1;

  /** A path with a number that is in the table is our own fault. */
  add(path: P): void {
    if (this.#byId.has(path.id)) throw new Error(`path ${path.id} exists`);
    this.#byId.set(path.id, path);
    this.#all.push(path);
    const ofMember = this.#byMember.get(path.member);
    if (ofMember === undefined) this.#byMember.set(path.member, [path]);
    else ofMember.push(path);
  }

  /** Whether a number that is not in the table may be that of a path which ended long ago. */
  wasForgotten(id: PathId): boolean {
    return id <= this.#forgottenTo && !this.#byId.has(id);
  }

  byId(id: PathId): P | undefined {
    return this.#byId.get(id);
  }

  /** Every path ever, in the order they were added. Not to be changed by the caller. */
  all(): readonly P[] {
    return this.#all;
  }

  /** Paths in use: active or degraded. */
  active(): P[] {
    return this.#all.filter((path) => path.isUsable);
  }

  /** Paths that ended, by wish or not. */
  dead(): P[] {
    return this.#all.filter((path) => path.isFinal);
  }

  /** Every path to a member, whatever its state. Not to be changed by the caller. */
  ofMember(member: MemberId): readonly P[] {
    return this.#byMember.get(member) ?? NONE;
  }

  /** Paths to a member that are in use. The same array as before if nothing changed; an array once given never changes. */
  usableOf(member: MemberId): readonly P[] {
    const paths = this.#byMember.get(member);
    if (paths === undefined) return NONE;
    const known = this.#usableByMember.get(member);
    if (known !== undefined && isCurrent(known, paths)) return known;
    const usable = paths.filter((path) => path.isUsable);
    this.#usableByMember.set(member, usable);
    return usable;
  }

  /** Drops the oldest ended paths beyond `keepCount`; answers them. */
  forgetEnded(keepCount: number): P[] {
    const ended = this.dead();
    const dropped = ended.slice(0, Math.max(0, ended.length - keepCount));
    for (const path of dropped) {
      this.#byId.delete(path.id);
      this.#forgottenTo = Math.max(this.#forgottenTo, path.id);
      this.#all.splice(this.#all.indexOf(path), 1);
      const ofMember = this.#byMember.get(path.member);
      ofMember?.splice(ofMember.indexOf(path), 1);
      if (ofMember?.length === 0) {
        this.#byMember.delete(path.member);
        this.#usableByMember.delete(path.member);
      }
    }
    return dropped;
  }
}

const NONE: readonly never[] = [];

function isCurrent<P extends Path<unknown>>(usable: readonly P[], paths: readonly P[]): boolean {
  let index = 0;
  for (const path of paths) {
    if (!path.isUsable) continue;
    if (usable[index] !== path) return false;
    index += 1;
  }
  return index === usable.length;
}
