/** Settings of every connection, both roles. docs/decisions/0003-quic-engine.md says why each is what it is. */
export const COMMON_OPTIONS = {
  alpn: ["kwik/1"],
  // The default picks io_uring where it can, which is four times slower here; "wasm" corrupts what it sends.
  runtimeMode: "portable",
  maxIdleTimeoutMs: 10_000,
  // Covers streams that the receiver of the bulk opened; the connection window stays at its default of 100 MB, because the engine
  // breaks the connection when that one binds.
  initialMaxStreamDataBidiLocal: 16_000_000,
  initialMaxStreamsBidi: 4096,
  enableDatagrams: true,
} as const;

/**
 * Carriers that one side keeps open on one link. Lower than the streams that the engine admits, because a reset stream gives its
 * credit back only a round trip later.
 */
export const MAX_OPEN_CARRIERS = 1024;
