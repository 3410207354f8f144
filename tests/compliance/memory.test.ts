import { memoryNetwork } from "@kwik/testkit";
import { runLinkSuite } from "./run-link-suite.ts";

// spec: LINK-1
runLinkSuite("memory", () => ({
  transport: memoryNetwork().transport,
  capabilities: new Set(["datagrams", "independent-carriers", "owned-buffers"]),
  tls: { cert: "none", key: "none" },
  address: { host: "server", port: 0 },
  deadAddress: { host: "nobody", port: 1 },
}));

runLinkSuite("memory with a delay and a rate", () => ({
  transport: memoryNetwork({ shape: { delayMs: 2, bytesPerSecond: 40_000_000 } }).transport,
  capabilities: new Set(["datagrams", "independent-carriers", "owned-buffers"]),
  tls: { cert: "none", key: "none" },
  address: { host: "server", port: 0 },
  deadAddress: { host: "nobody", port: 1 },
}));
