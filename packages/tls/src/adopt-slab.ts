import type { Socket } from "node:net";
import { adoptMemory } from "./adopt-memory.ts";
import { ReadSlab } from "./read-slab.ts";

/** Makes a socket that is in use already read into a slab; undefined where `adoptMemory` says no. */
export function adoptSlab(socket: unknown): ReadSlab | undefined {
  const slab = new ReadSlab();
  const { buffer, callback } = slab.onread;
  return adoptMemory(socket, buffer, callback) ? slab.attach(socket as Socket) : undefined;
}
