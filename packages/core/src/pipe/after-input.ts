/** Calls when the event loop has taken in what is there, as far as the host can tell. */
export const afterInput: (callback: () => void) => void =
  (globalThis as { readonly setImmediate?: (callback: () => void) => void }).setImmediate ?? queueMicrotask;
