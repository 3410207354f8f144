import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ForeignServer, freePort, pathOf } from "./foreign-program.ts";

/** A plain forwarder of TCP: haproxy, or else socat. */
export interface TcpForwarder extends Disposable {
  readonly name: "haproxy" | "socat";
  /** The ports that lead to the targets, in their order. */
  readonly ports: readonly number[];
}

/** Starts it for some ports of this machine; its files go into `folder`. Rejects where neither program is installed. */
export async function startForwarder(targets: readonly number[], folder: string): Promise<TcpForwarder> {
  const pairs: (readonly [number, number])[] = [];
  for (const target of targets) pairs.push([await freePort(), target]);
  const ports = pairs.map(([port]) => port);
  const haproxy = pathOf("haproxy");
  if (haproxy !== undefined) {
    const file = join(folder, "haproxy.cfg");
    writeFileSync(file, haproxyConfiguration(pairs));
    const server = await ForeignServer.start(ports, haproxy, ["-db", "-f", file]);
    return { name: "haproxy", ports, [Symbol.dispose]: () => server[Symbol.dispose]() };
  }
  const socat = pathOf("socat");
  if (socat === undefined) throw new Error("it needs haproxy or socat, to compare with");
  const servers: ForeignServer[] = [];
  for (const [port, target] of pairs) {
    const ends = [`TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork,nodelay`, `TCP:127.0.0.1:${target},nodelay`];
    servers.push(await ForeignServer.start([port], socat, ["-b", "65536", ...ends]));
  }
  return {
    name: "socat",
    ports,
    [Symbol.dispose]: () => {
      for (const server of servers) server[Symbol.dispose]();
    },
  };
}

/** As its manual gives it for TCP; it splices where the kernel can. */
function haproxyConfiguration(pairs: readonly (readonly [number, number])[]): string {
  const fronts = pairs.map(
    ([port, target]) => `listen to-${target}
  bind 127.0.0.1:${port}
  server only 127.0.0.1:${target}
`,
  );
  return `global
  maxconn 5000
defaults
  mode tcp
  option splice-auto
  timeout connect 10s
  timeout client 10m
  timeout server 10m
${fronts.join("")}`;
}
