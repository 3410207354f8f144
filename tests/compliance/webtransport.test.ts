import { runLinkSuite } from "./run-link-suite.ts";
import { startChildServer } from "./child-server.ts";
import { selfSigned } from "./tls-material.ts";
import { nodeWebTransport } from "../browser/http3-client.ts";

const tls = await selfSigned();

// spec: LINK-1
runLinkSuite("WebTransport", () => ({
  transport: nodeWebTransport(),
  capabilities: new Set(["datagrams", "abrupt-death", "independent-carriers", "owned-buffers"]),
  tls,
  address: { host: "127.0.0.1", port: 0 },
  deadAddress: { host: "127.0.0.1", port: 9 },
  startMortalServer: () => startChildServer("./echo-server.ts", tls, "webtransport"),
}));
