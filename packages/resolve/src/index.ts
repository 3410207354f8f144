export { raceAddresses } from "./race-addresses.ts";
export { resolveHost } from "./resolve-host.ts";
