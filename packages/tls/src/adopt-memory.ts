import { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** Where a socket keeps its option `onread`. */
interface OnreadPlaces {
  readonly buffer: symbol;
  readonly bufferSource: symbol;
  readonly callback: symbol;
}

type Inside = Record<symbol, unknown> & { readonly _handle?: object | null };

/** Where a socket reads to: one place for all reads, or one that is asked for before the first read and after each. Neither may be empty. */
export type ReadMemory = Uint8Array | (() => Uint8Array);

/** Undefined where Node keeps the option in a way that is not known here. */
const PLACES = onreadPlaces();

/**
 * Makes a socket that is in use already read into `memory`, and call `onRead` with the number of bytes: one that a server accepted, or that has spoken HTTP. Node takes
 * `onread` only where a socket is made to connect, so it is put where Node keeps it; false if that cannot be found, or the socket is gone or holds bytes. Not to be called from within a
 * read: the place of one under way must stay what it is. The socket's end comes as its event. What `onRead` throws destroys the socket. docs/decisions/0028
 */
export function adoptMemory(socket: unknown, memory: ReadMemory, onRead: (bytes: number) => boolean): boolean {
  if (PLACES === undefined || !(socket instanceof Socket) || socket.destroyed || socket.readableLength > 0) return false;
  // Windows fills memory that a read named long before; TLS has its own below, and asks for ours when it has bytes.
  if (process.platform === "win32" && !(socket instanceof TLSSocket)) return false;
  const inside = socket as unknown as Inside;
  const handle = inside._handle;
  if (!takesMemory(handle)) return false;
  const isFixed = memory instanceof Uint8Array;
  const first = isFixed ? memory : memory();
  inside[PLACES.buffer] = first;
  inside[PLACES.bufferSource] = isFixed ? null : memory;
  inside[PLACES.callback] = (bytes: number): boolean => {
    try {
      return onRead(bytes);
    } catch (error) {
      // Node would read into the old place again.
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  };
  handle.useUserBuffer(first);
  return true;
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
