import { createServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { expect } from "vitest";
import type { TrustBench, TrustCase } from "./trust-case.ts";
import { until } from "./until.ts";

/** Whom a client believes: the table of decision 0004 from its top, then what must not be believed. */
export const serverCases: readonly TrustCase[] = [
  {
    name: "dangerouslyTrustAnyServer reaches any server and proves nothing",
    run: async ({ peers, mine, other, beta }) => {
      const server = await peers.serve(mine);
      const trust = { dangerouslyTrustAnyServer: true, pins: [other.identity], ca: beta.ca };
      for (const host of ["127.0.0.1", "localhost"]) {
        const link = await peers.dial({ port: server.port, host, trust });
        expect(link.properties.provenIdentity).toBeUndefined();
      }
    },
  },
  {
    name: "an authority and one identity or one pin: both must hold, and the identity is proven",
    run: async (bench) => {
      const { peers, alpha, beta } = bench;
      const { local, elsewhere } = alpha;
      const server = await peers.serve(local);
      for (const host of ["127.0.0.1", "localhost"]) {
        const byIdentity = await peers.dial({ port: server.port, host, identity: local.identity, trust: { ca: alpha.ca } });
        expect(byIdentity.properties.provenIdentity).toBe(local.identity);
        const byPin = await peers.dial({ port: server.port, host, trust: { ca: alpha.ca, pins: [local.identity] } });
        expect(byPin.properties.provenIdentity).toBe(local.identity);
      }
      const otherKey = { port: server.port, identity: elsewhere.identity, trust: { ca: alpha.ca } };
      expect(await peers.failure(otherKey)).toMatch(otherKeyOf(bench));
      expect(await peers.failure({ port: server.port, identity: local.identity, trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED/);
    },
  },
  {
    name: "several pins: one is enough, with an authority that must hold as well",
    run: async ({ peers, mine, other, alpha, beta }) => {
      const server = await peers.serve(alpha.local);
      const pins = [other.identity, alpha.local.identity];
      const link = await peers.dial({ port: server.port, trust: { pins } });
      expect(link.properties.provenIdentity).toBe(alpha.local.identity);
      const under = await peers.dial({ port: server.port, trust: { pins, ca: alpha.ca } });
      expect(under.properties.provenIdentity).toBe(alpha.local.identity);
      expect(await peers.failure({ port: server.port, trust: { pins, ca: beta.ca } })).toMatch(/^NOT_TRUSTED/);
      const pinsOfOthers = [other.identity, mine.identity];
      expect(await peers.failure({ port: server.port, trust: { pins: pinsOfOthers } })).toMatch(/^NOT_TRUSTED: .*its key is/);
      expect(await peers.failure({ port: server.port, trust: { pins: pinsOfOthers, ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*its key is/);
    },
  },
  {
    // spec: SESS-5
    name: "a pin or an identity alone is proven by the key, whoever issued the certificate and for whatever name",
    run: async ({ peers, mine, alpha }) => {
      for (const material of [mine, alpha.local, alpha.elsewhere]) {
        const server = await peers.serve(material);
        const byPin = await peers.dial({ port: server.port, trust: { pins: [material.identity] } });
        expect(byPin.properties.provenIdentity).toBe(material.identity);
        const byIdentity = await peers.dial({ port: server.port, host: "localhost", identity: material.identity });
        expect(byIdentity.properties.provenIdentity).toBe(material.identity);
        // What it took to learn the key is nobody's link.
        expect(server.links).toHaveLength(2);
      }
    },
  },
  {
    name: "an identity that is demanded goes before the pins",
    run: async ({ peers, mine, other }) => {
      const server = await peers.serve(mine);
      const request = { port: server.port, identity: other.identity, trust: { pins: [mine.identity] } };
      expect(await peers.failure(request)).toMatch(/^NOT_TRUSTED: .*its key/);
      expect(await peers.failure({ port: server.port, trust: { pins: [other.identity] } })).toMatch(/^NOT_TRUSTED: .*its key/);
      expect(server.links).toHaveLength(0);
    },
  },
  {
    // spec: CARRIER-4
    name: "a server that shows another's certificate beside its own does not pass for it",
    run: async ({ peers, mine, other }) => {
      const server = await peers.serve({ ...other, cert: `${other.cert}\n${mine.cert}` });
      expect(await peers.failure({ port: server.port, trust: { pins: [mine.identity] } })).toMatch(/^NOT_TRUSTED/);
      const reversed = await peers.serve(other);
      expect(await peers.failure({ port: reversed.port, identity: mine.identity })).toMatch(/^NOT_TRUSTED/);
      expect(server.links.length + reversed.links.length).toBe(0);
    },
  },
  {
    name: "an authority and a name: the name must be the certificate's, and no identity is told",
    run: async ({ peers, alpha, beta }) => {
      const right = await peers.serve(alpha.local);
      const link = await peers.dial({ port: right.port, host: "localhost", trust: { ca: alpha.ca } });
      expect(link.properties.provenIdentity).toBeUndefined();
      const wrong = await peers.serve(alpha.elsewhere);
      expect(await peers.failure({ port: wrong.port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*name/);
      expect(await peers.failure({ port: right.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
      expect(wrong.links).toHaveLength(0);
    },
  },
  {
    name: "an authority and an IP address: the address must be the certificate's, and the identity is told",
    run: async ({ peers, alpha, beta }) => {
      const right = await peers.serve(alpha.local);
      const link = await peers.dial({ port: right.port, trust: { ca: alpha.ca } });
      expect(link.properties.provenIdentity).toBe(alpha.local.identity);
      const wrong = await peers.serve(alpha.elsewhere);
      expect(await peers.failure({ port: wrong.port, trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED: .*127\.0\.0\.1/);
      expect(await peers.failure({ port: right.port, trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
      expect(wrong.links).toHaveLength(0);
    },
  },
  {
    name: "a server whose key was revoked is not believed, dialled by name, address, identity or pin; its siblings are, and their key is told",
    run: async ({ peers, alpha }) => {
      const { local, elsewhere } = alpha;
      const server = await peers.serve(local);
      const trust = { ca: alpha.ca, revoked: [local.identity] };
      for (const request of [{ host: "localhost" }, {}, { identity: local.identity }, { trust: { ...trust, pins: [local.identity] } }])
        expect(await peers.failure({ port: server.port, trust, ...request })).toMatch(/^NOT_TRUSTED: .*revoked/);
      expect(server.links).toHaveLength(0);
      const byName = { port: server.port, host: "localhost", trust: { ca: alpha.ca, revoked: [elsewhere.identity] } };
      const link = await peers.dial(byName);
      expect(link.properties.provenIdentity).toBe(local.identity);
      const wrong = await peers.serve(elsewhere);
      expect(await peers.failure({ ...byName, port: wrong.port, trust })).toMatch(/^NOT_TRUSTED: .*localhost/);
    },
  },
  {
    name: "nothing and a name: a private certificate is NOT_TRUSTED",
    run: async ({ peers, mine, alpha }) => {
      for (const material of [mine, alpha.local]) {
        const server = await peers.serve(material);
        expect(await peers.failure({ port: server.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*authority/);
      }
    },
  },
  {
    name: "nothing and an IP address is refused before anything is sent",
    run: async ({ peers, mine }) => {
      const server = await peers.serve(mine);
      expect(await peers.failure({ port: server.port })).toMatch(/^NOT_TRUSTED: the system's authorities cannot verify the IP address/);
      expect(server.notices).toEqual([]);
    },
  },
  {
    name: "nothing and a name that an authority of this machine has certified is reached; an authority that is given takes the place of the others",
    needs: ["system-authorities"],
    run: async ({ peers, alpha, beta }) => {
      const before = getCACertificates("default");
      setDefaultCACertificates([...before, alpha.ca]);
      try {
        const server = await peers.serve(alpha.local);
        const link = await peers.dial({ port: server.port, host: "localhost" });
        expect(link.properties.provenIdentity).toBeUndefined();
        expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca: beta.ca } })).toMatch(/^NOT_TRUSTED: .*authority/);
        const wrong = await peers.serve(alpha.elsewhere);
        expect(await peers.failure({ port: wrong.port, host: "localhost" })).toMatch(/^NOT_TRUSTED: .*localhost/);
      } finally {
        setDefaultCACertificates(before);
      }
    },
  },
  {
    name: "dates count, under an authority and by pin",
    run: async ({ peers, expired, future }) => {
      const old = await peers.serve(expired);
      expect(await peers.failure({ port: old.port, host: "localhost", trust: { ca: expired.cert } })).toMatch(/^NOT_TRUSTED: .*expired/);
      expect(await peers.failure({ port: old.port, trust: { pins: [expired.identity] } })).toMatch(/^NOT_TRUSTED: .*expired/);
      const early = await peers.serve(future);
      expect(await peers.failure({ port: early.port, trust: { pins: [future.identity] } })).toMatch(/^NOT_TRUSTED: .*only from/);
    },
  },
  {
    name: "authorities, certificates and keys that are not PEM are INVALID_ARGUMENT",
    run: async ({ peers, mine, other }) => {
      const server = await peers.serve(mine);
      const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
      for (const ca of ["garbage", "", broken]) {
        expect(await peers.failure({ port: server.port, host: "localhost", trust: { ca } }), ca).toMatch(/^INVALID_ARGUMENT: .*PEM/);
      }
      const clientCertificate = { cert: "garbage", key: "garbage" };
      const trust = { dangerouslyTrustAnyServer: true };
      expect(await peers.failure({ port: server.port, trust, clientCertificate })).toMatch(/^INVALID_ARGUMENT: .*client/);
      await expect(peers.serve({ ...mine, key: other.key })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  },
  {
    name: "a server that is not believed is told nothing of kwik",
    needs: ["shown-keys"],
    run: async ({ peers, mine, other, alpha }) => {
      let told = 0;
      const ended: Promise<unknown>[] = [];
      const impostor = createServer({ cert: other.cert, key: other.key, ALPNProtocols: ["kwik/1", "http/1.1"] }, (socket) => {
        socket.on("data", (data) => (told += data.length));
        socket.on("error", () => undefined);
      });
      impostor.on("connection", (socket) => ended.push(new Promise((resolve) => socket.once("close", resolve))));
      const port = await peers.bind(impostor);
      expect(await peers.failure({ port, identity: mine.identity })).toMatch(/^NOT_TRUSTED/);
      expect(await peers.failure({ port, host: "localhost", trust: { ca: alpha.ca } })).toMatch(/^NOT_TRUSTED/);
      await until(() => ended.length === 2);
      await Promise.all(ended);
      expect(told).toBe(0);
      // The same impostor does hear of whoever believes everybody: the case could see it.
      void peers.failure({ port, timeoutMs: 500, trust: { dangerouslyTrustAnyServer: true } });
      await until(() => told > 0);
    },
  },
  {
    name: "a name whose addresses are refused is not dialled",
    run: async ({ peers, mine }) => {
      const server = await peers.serve(mine);
      const shown: string[] = [];
      const checkResolved = (ips: readonly string[]): string => {
        shown.push(...ips);
        return "it is private";
      };
      const trust = { dangerouslyTrustAnyServer: true };
      expect(await peers.failure({ port: server.port, host: "localhost", trust, checkResolved })).toMatch(/^ADDRESS_REFUSED: .*private/);
      expect(shown).toContain("127.0.0.1");
      expect(server.links).toHaveLength(0);
    },
  },
  {
    name: "without TLS nothing that proves a server is accepted, and links say that they are not encrypted",
    needs: ["plaintext"],
    run: async ({ peers, mine, environment }) => {
      const server = await peers.serve(mine, { dangerouslyPlaintext: true });
      const plaintext = environment.makeTransport({ dangerouslyPlaintext: true });
      expect(await peers.failure({ port: server.port, identity: mine.identity }, plaintext)).toMatch(/^NOT_TRUSTED: .*without TLS/);
      const link = await peers.dial({ port: server.port, trust: { dangerouslyTrustAnyServer: true } }, plaintext);
      expect([link.capabilities.encrypted, server.links[0]?.capabilities.encrypted]).toEqual([false, false]);
      expect(link.properties.provenIdentity).toBeUndefined();
      const secure = await peers.serve(mine);
      const encrypted = await peers.dial({ port: secure.port, identity: mine.identity });
      expect([encrypted.capabilities.encrypted, secure.links[0]?.capabilities.encrypted]).toEqual([true, true]);
      expect(await peers.failure({ port: server.port, identity: mine.identity })).toMatch(/^(NOT_KWIK: .*TLS|UNREACHABLE)/);
    },
  },
];

/** How a server with another key than the demanded one is refused, under an authority that it has. */
function otherKeyOf({ environment }: TrustBench): RegExp {
  return environment.abilities.has("shown-keys")
    ? /^NOT_TRUSTED: .*its key is sha256:.*expected was sha256:/
    : /^NOT_TRUSTED: .*name or key/;
}
