export { raceAddresses } from "./race-addresses.ts";
export { resolveHost } from "./resolve-host.ts";
export { resolveServer } from "./resolve-server.ts";
