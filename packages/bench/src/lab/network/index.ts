export { LabNetwork, type HoleSide } from "./lab-network.ts";
export { NETWORK_PROGRAMS, prepareTools } from "./lab-tools.ts";
export { compileEmulator } from "./link-emulator.ts";
export type { Line } from "./line.ts";
