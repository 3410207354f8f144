// Runs in a page or a worker of the browser: one case of the link suite at a time, with the client here and its servers in Node.
import type { Transport } from "@kwik/core";
import { LinkBench, linkCases } from "@kwik/testkit";
import { webSocketClient, webTransportClient } from "@kwik/transport-browser";
import { MirroredServers } from "./mirror/mirrored-servers.ts";
import { answerInWorker, inWorker } from "./page-worker.ts";

/** What a test in Node asks for. */
export interface CaseRequest {
  readonly name: string;
  readonly transport: "webtransport" | "websocket";
  readonly mirrorPort: number;
  /** The servers' certificate, PEM. */
  readonly certificate: string;
}

/** "passed", or what went wrong. */
async function runCase({ name, transport, mirrorPort, certificate }: CaseRequest): Promise<string> {
  const linkCase = linkCases.find((one) => one.name === name);
  if (linkCase === undefined) return `there is no case "${name}"`;
  const servers = await MirroredServers.connect(mirrorPort);
  const client = transport === "webtransport" ? webTransportClient() : webSocketClient();
  const certificates = transport === "webtransport" ? [certificate] : undefined;
  const played: Transport = {
    name: transport,
    listen: (request) => servers.listen(request),
    // The suite believes anybody, which a browser cannot.
    dial: (request) => client.dial({ ...request, trust: { ca: undefined, pins: [], certificates, dangerouslyTrustAnyServer: false } }),
  };
  const bench = new LinkBench({
    transport: played,
    capabilities: new Set(),
    tls: { cert: "", key: "" },
    address: { host: "127.0.0.1", port: 0 },
    deadAddress: { host: "127.0.0.1", port: 40_009 },
    startMortalServer: () => servers.startMortal(),
  });
  try {
    await linkCase.run(bench);
    return "passed";
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  } finally {
    await bench.close();
  }
}

answerInWorker(runCase);
Object.assign(globalThis, { runCase, runCaseInWorker: inWorker });
