import type { Limits } from "kwik";
import { bytesOf, bytesOfLine } from "../cells/cell.ts";
import { HostProcess } from "../process/host-process.ts";
import type { KwikClientArgument, KwikServerReady } from "../process/lab-role.ts";
import type { LabBench, RunOrder } from "./lab-bench.ts";
import { measuredRun, settle } from "./measured-run.ts";
import type { RunRecord } from "./run-record.ts";

const TCP_PORT = 5201;
const CONTENT_PORT = 4433;
const MPTCP_MOST_PATHS = 8;

/** The bare engine over line `index` alone. */
export async function runEngine(bench: LabBench, order: RunOrder, index: number): Promise<RunRecord> {
  const network = bench.network("home");
  network.routeLoopback(index);
  using server = await HostProcess.start(network, index, "engine-server");
  using client = await HostProcess.start(network, "client", "engine-client", { port: server.ready });
  return await alone(bench, order, index, server, client);
}

/** TCP over line `index` alone. */
export async function runTcp(bench: LabBench, order: RunOrder, index: number): Promise<RunRecord> {
  const network = bench.network("home");
  using server = await HostProcess.start(network, index, "tcp-server", { port: TCP_PORT });
  using client = await HostProcess.start(network, "client", "tcp-client", { host: network.serverAddress(index), port: TCP_PORT });
  return await alone(bench, order, index, server, client);
}

/** A run over one line of the cell. */
async function alone(bench: LabBench, order: RunOrder, index: number, server: HostProcess, client: HostProcess): Promise<RunRecord> {
  const network = bench.network("home");
  const bytes = bytesOfLine(bench.cell, index);
  const record = await measuredRun(bench, order, { network, client, servers: [server], lines: [index], bytes });
  await settle();
  return record;
}

/** Linux Multipath TCP over all lines: the same program as TCP's. */
export async function runMptcp(bench: LabBench, order: RunOrder): Promise<RunRecord> {
  const network = bench.network("home");
  const most = `${MPTCP_MOST_PATHS}`;
  for (const host of ["client", 0] as const) {
    network.run(host, "ip", "mptcp", "endpoint", "flush");
    network.run(host, "ip", "mptcp", "limits", "set", "subflows", most, "add_addr_accepted", most);
  }
  // The server tells its further addresses, and the client's routes send a subflow to each over its own line.
  for (const index of network.lines.keys()) {
    if (index > 0) network.run(0, "ip", "mptcp", "endpoint", "add", network.serverAddress(index), "dev", network.device(index), "signal");
  }
  const before = mptcpJoins(network.run("client", "nstat", "-asz"));
  const wrapper = ["mptcpize", "run"];
  using server = await HostProcess.start(network, 0, "tcp-server", { port: TCP_PORT }, wrapper);
  using client = await HostProcess.start(network, "client", "tcp-client", { host: network.serverAddress(0), port: TCP_PORT }, wrapper);
  const record = await measuredRun(bench, order, {
    network,
    client,
    servers: [server],
    lines: [...network.lines.keys()],
    bytes: bytesOf(bench.cell),
    inspect: () => {
      const joined = mptcpJoins(network.run("client", "nstat", "-asz")) - before;
      const wanted = network.lines.length - 1;
      return joined >= wanted ? [] : [`${joined} of ${wanted} further subflows`];
    },
  });
  await settle();
  return record;
}

/** Subflows that joined a connection, by the kernel's own count on the side that opens them. */
export function mptcpJoins(nstat: string): number {
  return Number(/^MPTcpExtMPJoinSynAckRx\s+(\d+)/m.exec(nstat)?.[1] ?? 0);
}

/** Kwik with one server at several addresses; `lineCount` of the lines are used. */
export async function runKwikHome(bench: LabBench, order: RunOrder, lineCount: number, limits?: Partial<Limits>): Promise<RunRecord> {
  const network = bench.network("home");
  using server = await HostProcess.start(network, 0, "home-server");
  const lines = [...network.lines.keys()].slice(0, lineCount);
  const { port, identity } = server.ready as KwikServerReady;
  const argument: KwikClientArgument = {
    addresses: lines.map((index) => `${network.serverAddress(index)}:${port}`),
    pins: [identity],
    limits,
  };
  using client = await HostProcess.start(network, "client", "home-client", argument);
  const record = await measuredRun(bench, order, { network, client, servers: [server], lines, bytes: bytesOf(bench.cell), isKwik: true });
  await settle();
  return record;
}

/** Kwik with several servers that have the same file. */
export async function runKwikServers(bench: LabBench, order: RunOrder, limits?: Partial<Limits>): Promise<RunRecord> {
  const network = bench.network(bench.cell.sharedServers === undefined ? "servers" : "shared");
  using stack = new DisposableStack();
  const bytes = bytesOf(bench.cell);
  const file = bench.files.nameOf(bytes);
  const indices = Array.from({ length: network.serverCount }, (_, index) => index);
  const addresses = indices.map((index) => `${network.serverAddress(index)}:${CONTENT_PORT}`);
  const servers = await Promise.all(
    indices.map(async (index) =>
      stack.use(
        await HostProcess.start(network, index, "content-server", {
          address: `0.0.0.0:${CONTENT_PORT}`,
          directory: bench.files.directory,
          file,
        }),
      ),
    ),
  );
  const pins = servers.map((server) => (server.ready as KwikServerReady).identity);
  const argument: KwikClientArgument = { addresses, pins, limits };
  const client = stack.use(await HostProcess.start(network, "client", "content-client", argument));
  const lines = [...network.lines.keys()];
  const record = await measuredRun(bench, order, { network, client, servers, lines, bytes, isKwik: true });
  await settle();
  return record;
}
