import { webSocketTransport } from "@kwik/transport-websocket";
import { startChildServer } from "./child-server.ts";
import { runLinkSuite } from "./run-link-suite.ts";
import { selfSigned } from "./tls-material.ts";

const tls = await selfSigned();

// spec: LINK-1, PIPE-1
runLinkSuite("WebSocket", () => ({
  transport: webSocketTransport(),
  capabilities: new Set(["datagrams", "abrupt-death"]),
  tls,
  address: { host: "127.0.0.1", port: 0 },
  deadAddress: { host: "127.0.0.1", port: 9 },
  startMortalServer: () => startChildServer("./echo-server.ts", tls, "websocket"),
}));

runLinkSuite("WebSocket without TLS", () => ({
  transport: webSocketTransport({ dangerouslyPlaintext: true }),
  capabilities: new Set(["datagrams", "abrupt-death"]),
  tls,
  address: { host: "127.0.0.1", port: 0 },
  deadAddress: { host: "127.0.0.1", port: 9 },
  startMortalServer: () => startChildServer("./echo-server.ts", tls, "plaintext websocket"),
}));
