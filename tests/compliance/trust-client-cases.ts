import { X509Certificate } from "node:crypto";
import { makeSelfSigned } from "@kwik/trust";
import { expect } from "vitest";
import type { TrustCase } from "./trust-case.ts";

/** Whom a server believes: certificates of clients. */
export const clientCases: readonly TrustCase[] = [
  {
    name: "a client certificate is verified and its identity shown to the server; one of another authority is refused, none is none",
    run: async ({ peers, mine, other, environment }) => {
      const known = await makeSelfSigned();
      const server = await peers.serve(mine, { clientCa: known.cert });
      await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: known });
      await peers.dial({ port: server.port, identity: mine.identity });
      expect(await peers.failure({ port: server.port, identity: mine.identity, clientCertificate: other })).not.toBe("connected");
      expect(server.links.map((link) => link.properties.clientIdentity)).toEqual([known.identity, undefined]);
      if (environment.abilities.has("client-notices")) expect(server.notices.join()).toMatch(/client certificate does not verify/);
    },
  },
  {
    name: "client certificates of a cluster verify under its authority, those of another do not, nor those of a sibling under a server's own",
    run: async ({ peers, mine, alpha, beta }) => {
      const forMembers = await peers.serve(mine, { clientCa: alpha.ca });
      await peers.dial({ port: forMembers.port, identity: mine.identity, clientCertificate: alpha.local });
      const stranger = { port: forMembers.port, identity: mine.identity, clientCertificate: beta.local };
      expect(await peers.failure(stranger)).not.toBe("connected");
      expect(forMembers.links.map((link) => link.properties.clientIdentity)).toEqual([alpha.local.identity]);
      const forOne = await peers.serve(mine, { clientCa: new X509Certificate(alpha.local.cert).toString() });
      const sibling = { port: forOne.port, identity: mine.identity, clientCertificate: alpha.elsewhere };
      expect(await peers.failure(sibling)).not.toBe("connected");
      expect(forOne.links).toHaveLength(0);
    },
  },
  {
    name: "an expired client certificate is refused",
    run: async ({ peers, mine, expired }) => {
      const server = await peers.serve(mine, { clientCa: expired.cert });
      const late = { port: server.port, identity: mine.identity, clientCertificate: expired };
      expect(await peers.failure(late)).not.toBe("connected");
      expect(server.links).toHaveLength(0);
    },
  },
  {
    name: "without authorities for clients no certificate is looked at, and authorities that are not PEM are INVALID_ARGUMENT",
    run: async ({ peers, mine, other }) => {
      const server = await peers.serve(mine);
      await peers.dial({ port: server.port, identity: mine.identity, clientCertificate: other });
      expect(server.links[0]?.properties.clientIdentity).toBeUndefined();
      await expect(peers.serve(mine, { clientCa: "garbage" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    },
  },
];
