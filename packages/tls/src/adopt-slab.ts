import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { ReadSlab } from "./read-slab.ts";

/** Where a socket keeps its option `onread`. */
interface OnreadPlaces {
  readonly buffer: symbol;
  readonly bufferSource: symbol;
  readonly callback: symbol;
}

type Inside = Record<symbol, unknown> & { readonly _handle?: object | null };

/** Undefined where Node keeps the option in a way that is not known here. */
const PLACES = onreadPlaces();

/**
 * Makes a socket that is in use already read into a slab: one that a server accepted, or that has spoken HTTP. Node takes `onread` only where a socket is made to
 * connect, so it is put where Node keeps it; undefined if that cannot be found, or the socket is gone or holds bytes. Not to be called from within a
 * read: the place of one under way must stay what it is. docs/decisions/0028
 */
export function adoptSlab(socket: unknown): ReadSlab | undefined {
  if (PLACES === undefined || !(socket instanceof Socket) || socket.destroyed || socket.readableLength > 0) return undefined;
  // Windows fills memory that a read named long before; TLS has its own below, and asks for ours when it has bytes.
  if (process.platform === "win32" && !(socket instanceof TLSSocket)) return undefined;
  const inside = socket as unknown as Inside;
  const handle = inside._handle;
  if (!takesMemory(handle)) return undefined;
  const slab = new ReadSlab();
  const { buffer, callback } = slab.onread;
  const first = buffer();
  inside[PLACES.buffer] = first;
  inside[PLACES.bufferSource] = buffer;
  inside[PLACES.callback] = callback;
  handle.useUserBuffer(first);
  return slab.attach(socket);
}

function takesMemory(handle: object | null | undefined): handle is { useUserBuffer(memory: Uint8Array): void } {
  return handle !== undefined && handle !== null && "useUserBuffer" in handle;
}

/** Looks for what was given as option, in sockets that are made for that and never connected. */
function onreadPlaces(): OnreadPlaces | undefined {
  const bytes = new Uint8Array(1);
  const source = (): Uint8Array => bytes;
  const callback = (): boolean => true;
  const buffer = placeOf(new Socket({ onread: { buffer: bytes, callback } }), bytes);
  const withSource = new Socket({ onread: { buffer: source, callback } });
  const bufferSource = placeOf(withSource, source);
  const called = placeOf(withSource, callback);
  return buffer === undefined || bufferSource === undefined || called === undefined
    ? undefined
    : { buffer, bufferSource, callback: called };
}

function placeOf(socket: Socket, value: unknown): symbol | undefined {
  const places = Object.getOwnPropertySymbols(socket).filter((key) => (socket as unknown as Inside)[key] === value);
  return places.length === 1 ? places[0] : undefined;
}
