import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { formatAddress, parseAddress } from "kwik";
import { CommandError, ExitStatus, sentenceOf } from "../exit-status.ts";

/** Serves numbers at http://HOST:PORT/metrics. */
export class MetricsServer implements Disposable {
  readonly #server: Server;

  constructor(text: () => string) {
    this.#server = createServer((request, response) => {
      const isPage = request.url === "/metrics" || request.url === "/";
      response.writeHead(isPage ? 200 : 404, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      response.end(isPage ? text() : "the numbers are at /metrics\n");
    });
  }

  /** Takes "host:port"; answers what is really bound. Rejects with CommandError if it cannot be bound. */
  listen(address: string): Promise<string> {
    const { host, port } = parseAddress(address);
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => {
        const sentence = `cannot serve metrics at ${address}: ${sentenceOf(error)}; choose another port`;
        reject(new CommandError(ExitStatus.local, sentence, { cause: error }));
      });
      this.#server.listen(port, host, () => {
        const { address: bound, port: boundPort } = this.#server.address() as AddressInfo;
        resolve(formatAddress({ host: bound, port: boundPort }));
      });
    });
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
