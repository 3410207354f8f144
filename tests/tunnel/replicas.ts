import type { ClientSession } from "@kwik/core";
import type { GatewayOptions } from "@kwik/gateway";
import type { LocalProxy } from "@kwik/proxy";
import { patternBytes } from "@kwik/testkit";
import { openTunnel } from "@kwik/tunnel";
import { expect } from "vitest";
import { portOf, type TestGateway, TunnelBench } from "./gateway-pair.ts";
import { TestOrigin } from "./test-origin.ts";

export const MiB = 1024 * 1024;
export const BLOCK = 256 * 1024;
export const TARGET = { kind: "tcp", host: "films.example", port: 80 } as const;
export const FILM = Buffer.from(patternBytes(5, 0, 12 * MiB + 4321));
export const GET = "GET /film HTTP/1.1\r\nHost: films.example\r\nConnection: close\r\n\r\n";

/** Three gateways, each with an origin of its own, and a port that leads to `films.example:80` through one of them. */
export class Replicas implements AsyncDisposable {
  readonly bench = new TunnelBench();
  readonly origins: TestOrigin[] = [];
  readonly gateways: TestGateway[] = [];
  proxy!: LocalProxy;
  port = 0;

  static async start(count = 3, options: GatewayOptions = {}): Promise<Replicas> {
    const replicas = new Replicas();
    for (let index = 0; index < count; index += 1) {
      const origin = await TestOrigin.start();
      origin.files.set("/film", { data: FILM, etag: '"v1"' });
      replicas.origins.push(origin);
      replicas.gateways.push(await replicas.bench.gateway({ origins: [`films.example:80=http://127.0.0.1:${origin.port}`], ...options }));
    }
    replicas.proxy = await replicas.bench.proxy(replicas.gateways);
    const { proxy } = replicas;
    while (proxy.session?.stats().paths.filter((path) => path.state === "active").length !== count)
      await new Promise((resolve) => setTimeout(resolve, 5));
    replicas.port = portOf(await proxy.forward({ host: "127.0.0.1", port: 0 }, TARGET));
    return replicas;
  }

  /** Which gateway made the connection of the response: the home. */
  get home(): number {
    return this.origins.findIndex(({ requests }) => requests.some((request) => request === "GET /film"));
  }

  get others(): number[] {
    return this.origins.map((_, index) => index).filter((index) => index !== this.home);
  }

  /** What a request over the first gateway brings. */
  async atFirst(request: string): Promise<Buffer> {
    const { session } = this.proxy;
    const path = session?.stats().paths.find(({ address }) => address === this.gateways[0]?.server.address);
    const tunnel = await openTunnel(session as ClientSession, TARGET, { pathId: path?.id as number });
    await tunnel.write(Buffer.from(request, "latin1"));
    const got: Uint8Array[] = [];
    for (let data = await tunnel.read(); data !== null; data = await tunnel.read()) got.push(data);
    tunnel.close().catch(() => undefined);
    return Buffer.concat(got);
  }

  eventsOf(type: string): object[] {
    return this.gateways.flatMap(({ events }) => events.filter((event) => event.type === type));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench[Symbol.asyncDispose]();
    for (const origin of this.origins) origin.kill();
  }
}

export function expectFilm(response: Buffer, data = FILM): void {
  const head = response.indexOf("\r\n\r\n");
  expect(response.subarray(0, head).toString("latin1")).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(Buffer.compare(response.subarray(head + 4), data)).toBe(0);
}
