import { afterEach, describe, test, type TestContext } from "vitest";
import { makeSelfSigned } from "@kwik/trust";
import { LinkPeers } from "./link-peers.ts";
import { cluster, selfSigned } from "./tls-material.ts";
import type { ServerMaterial } from "./tls-material.ts";
import { clientCases } from "./trust-client-cases.ts";
import type { TrustEnvironment, TrustMaterial, TrustOptions } from "./trust-case.ts";
import { serverCases } from "./trust-server-cases.ts";

const DAY_MS = 86_400_000;

const material = (async (): Promise<TrustMaterial> => {
  const alpha = await cluster(["localhost", "127.0.0.1"], ["elsewhere.example", "10.1.2.3"]);
  const beta = await cluster(["localhost"]);
  const [local, elsewhere] = alpha.servers as [ServerMaterial, ServerMaterial];
  return {
    mine: await selfSigned(),
    other: await selfSigned(),
    alpha: { ca: alpha.ca, local, elsewhere },
    beta: { ca: beta.ca, local: beta.servers[0] as ServerMaterial },
    expired: await makeSelfSigned({ now: Date.now() - 40 * DAY_MS, validDays: 13 }),
    future: await makeSelfSigned({ now: Date.now() + 40 * DAY_MS, validDays: 13 }),
  };
})();

/** Runs the rows of the table in decision 0004, and what clients prove, over one transport. What it lacks is skipped, counted and said. */
export function runTrustSuite(environment: TrustEnvironment): void {
  const peers = new LinkPeers<TrustOptions>((options) => environment.makeTransport(options));
  describe(`trust over ${environment.name}`, () => {
    afterEach(() => peers.close());
    for (const each of [...serverCases, ...clientCases]) {
      test(each.name, async (context: TestContext) => {
        const missing = each.needs?.filter((need) => !environment.abilities.has(need)) ?? [];
        if (missing.length > 0) context.skip(`${environment.name} has no ${missing.join(", ")}`);
        await each.run({ ...(await material), peers, environment });
      });
    }
  });
}
