export type { RelayDial } from "./relay-sessions.ts";
export { withRelays } from "./relayed-transport.ts";
