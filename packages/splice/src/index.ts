export { SocketLike } from "./socket-like.ts";
export { splice, type SpliceEnd, type SpliceOptions, type SpliceOutcome, type TunnelEnd } from "./splice.ts";
