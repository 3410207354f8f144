import { isKwikError } from "@kwik/core";
import type { DialRequest } from "@kwik/core";
import { check, until } from "./link-environment.ts";
import type { LinkBench } from "./link-environment.ts";
import type { LinkCase } from "./link-case.ts";

async function failureOf(bench: LinkBench, request: Partial<DialRequest>): Promise<string> {
  try {
    const link = await bench.environment.transport.dial({
      address: bench.environment.deadAddress,
      trust: { ca: undefined, pins: [], dangerouslyTrustAnyServer: true },
      identity: undefined,
      clientCertificate: undefined,
      timeoutMs: 400,
      signal: undefined,
      ...request,
    });
    link.close(0, "");
    return "connected";
  } catch (error) {
    check(isKwikError(error), `not a KwikError: ${String(error)}`);
    check(error.message.length > 10, "no sentence in the error");
    return error.code;
  }
}

/** Dialling and its failures. */
export const dialCases: readonly LinkCase[] = [
  {
    name: "dialling where nobody listens is UNREACHABLE",
    run: async (bench) => {
      const code = await failureOf(bench, {});
      check(code === "UNREACHABLE", `the code was ${code}`);
    },
  },
  {
    name: "an aborted dial is ABORTED",
    run: async (bench) => {
      const before = await failureOf(bench, { signal: AbortSignal.abort() });
      check(before === "ABORTED", `aborted before: the code was ${before}`);
    },
  },
  {
    name: "a listener says its real address, and a second one cannot have it",
    run: async (bench) => {
      await bench.listen();
      check(bench.address.port > 0, "the port is 0");
      let code = "none";
      try {
        const second = await bench.environment.transport.listen({
          address: bench.address,
          tls: bench.environment.tls,
          onLink: () => undefined,
        });
        await second.close();
      } catch (error) {
        code = isKwikError(error) ? error.code : String(error);
      }
      check(code === "IO", `the code was ${code}`);
    },
  },
  {
    name: "links say who they connect",
    run: async (bench) => {
      const { client, server } = await bench.pair();
      check(client.link.properties.transport === bench.environment.transport.name, "another transport's name");
      check(client.link.properties.remoteAddress.endsWith(`:${bench.address.port}`), "another address");
      check(server.link.properties.remoteAddress.length > 0, "no remote address on the server");
      check(server.link.properties.provenIdentity === undefined, "the server claims to have proven itself to itself");
    },
  },
  {
    name: "several clients at once reach one server",
    run: async (bench) => {
      bench.onServer = (server) => {
        server.onArrival = (end) => {
          end.dataHook = (data) => end.send(data);
        };
      };
      await bench.listen();
      const clients = await Promise.all(Array.from({ length: 8 }, () => bench.dial()));
      const carriers = clients.map((client) => client.open());
      for (const carrier of carriers) carrier.send(new Uint8Array(500_000));
      await until(() => carriers.every((carrier) => carrier.receivedBytes === 500_000), "all echoes");
    },
  },
];
