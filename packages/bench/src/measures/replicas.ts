import { spawnSync } from "node:child_process";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { LabNetwork } from "../lab/network/lab-network.ts";
import { withLines } from "../lab/network/with-lines.ts";
import { patternAt } from "../lab/process/arrival-log.ts";
import { HostProcess } from "../lab/process/host-process.ts";
import type { HttpTargetReady } from "../lab/roles/http-target.ts";
import type { Measurement } from "../measurement.ts";
import { type HostCommand, startHostCommand } from "../process/host-command-process.ts";
import { kwikCommand } from "../process/kwik-command.ts";
import { median } from "../sampling.ts";

/** From the client to each gateway; each has its web server on its own host. */
const LINE = { megabitsPerSecond: 100, roundTripMs: 20 };
const SERVERS = [0, 1, 2];
const PORT = 4433;
const TARGET = "films.example";
/** Long enough that the beginning is a small part. */
const BYTES = 200e6;
const LINE_BYTES = 60e6;
const ROUNDS = 3;
const COMPARED_BYTES = 256 * 1024;
const MB = 1e6;

/** One response by curl through a proxy from the web servers behind three gateways, against the sum of what plain TCP makes of the lines. */
export function replicas(): Promise<Measurement[]> {
  return withLines({ name: "replicas", topology: "servers", lines: SERVERS.map(() => LINE), programs: ["curl"] }, measured);
}

async function measured(network: LabNetwork, folder: string): Promise<Measurement[]> {
  using running = new DisposableStack();
  // curl and the proxy talk to each other on the client.
  network.run("client", "ip", "link", "set", "lo", "up");
  const ports: number[] = [];
  for (const host of SERVERS)
    ports.push((running.use(await HostProcess.start(network, host, "http-target")).ready as HttpTargetReady).port);
  const file = join(folder, "got");
  const line = await fetched(network, [`http://${network.serverAddress(0)}:${ports[0] ?? 0}/${LINE_BYTES}`], file, LINE_BYTES);

  const cluster = join(folder, "cluster");
  kwik("cluster", "init", cluster);
  const gateways: HostCommand[] = [];
  for (const host of SERVERS) {
    const [name, address] = [`gw${host}`, network.serverAddress(host)];
    kwik("cluster", "issue", cluster, "--host", address, "--name", name);
    const issued = join(cluster, name);
    const identity = ["--cert", join(issued, "server.pem"), "--key", join(issued, "server.key"), "--cluster", join(issued, "cluster.json")];
    const origin = ["--origin", `${TARGET}:80=http://127.0.0.1:${ports[host] ?? 0}`];
    gateways.push(
      running.use(
        await startHostCommand(network, host, ["kwik", "gateway", "--listen", `0.0.0.0:${PORT}`, ...identity, ...origin, "--json"]),
      ),
    );
  }
  await Promise.all(gateways.map((gateway) => gateway.firstLine()));
  const urls = SERVERS.map((host) => `kwik://${network.serverAddress(host)}:${PORT}`);
  const proxy = running.use(
    await startHostCommand(network, "client", ["kwik", "proxy", ...urls, "--ca", join(cluster, "ca.pem"), "--http", "8080", "--json"]),
  );
  await proxy.firstLine();
  for (const host of SERVERS.slice(1)) await proxy.says(`path=${network.serverAddress(host)}:${PORT}`);

  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    rates.push(await fetched(network, ["-x", "http://127.0.0.1:8080", `http://${TARGET}/${BYTES}`], file, BYTES));
  const rate = median(rates);
  return [
    {
      name: `replicas: one response by curl from three gateways, lines of ${LINE.megabitsPerSecond} Mbit/s`,
      value: rate / MB,
      unit: "MB/s",
      raw: (SERVERS.length * line) / MB,
      ratio: rate / (SERVERS.length * line),
      bar: { kind: "at least", limit: 0.95 },
      note: `raw is three times curl alone over one line; every byte compared; the rounds: ${rates.map((one) => (one / MB).toFixed(1)).join(", ")}`,
    },
  ];
}

/** Bytes per second of one transfer, all of which are compared. */
async function fetched(network: LabNetwork, words: readonly string[], file: string, bytes: number): Promise<number> {
  using curl = await startHostCommand(network, "client", [
    "curl",
    "-sS",
    "--fail",
    "-m",
    "60",
    "-o",
    file,
    "-w",
    "%{time_total}",
    ...words,
  ]);
  const seconds = Number(await curl.finished());
  const handle = await open(file);
  try {
    const buffer = new Uint8Array(COMPARED_BYTES);
    let at = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      if (Buffer.compare(buffer.subarray(0, bytesRead), patternAt(at, bytesRead)) !== 0)
        throw new Error(`curl got other bytes behind ${at}`);
      at += bytesRead;
    }
    if (at !== bytes) throw new Error(`curl got ${at} of ${bytes} bytes`);
  } finally {
    await handle.close();
  }
  return bytes / seconds;
}

function kwik(...words: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [...kwikCommand(), ...words], { encoding: "utf8" });
  if (status !== 0) throw new Error(`kwik ${words.slice(0, 2).join(" ")} ended with status ${status ?? "of a signal"}: ${stderr}`);
}
