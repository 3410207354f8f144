import type { Role } from "../process/role.ts";
import { Attack, type AttackKind } from "./attack.ts";

/** How often the attacker looks at the clock, in milliseconds. */
const TICK_MS = 5;
/** One thread can take no more. */
const MAX_SHARE = 0.95;

/** A process that attacks one port when it is told to. */
export async function floodClient(argument: { readonly port: number }): Promise<Role> {
  let attack: Attack | undefined;
  let timer: NodeJS.Timeout | undefined;
  return {
    ready: true,
    commands: {
      begin: async ({ kind, perSecond }: { kind: AttackKind; perSecond: number }) => {
        const begun = new Attack(kind, argument.port);
        const start = performance.now();
        let struck = 0;
        attack = begun;
        timer = setInterval(() => {
          for (const due = ((performance.now() - start) / 1000) * perSecond; struck < due; struck += 1) begun.strike();
        }, TICK_MS);
      },
      /** Takes so much of a processor and attacks nobody: 0.5 is half of the time. */
      idle: async ({ share }: { share: number }) => {
        attack = undefined;
        timer = setInterval(() => {
          const end = performance.now() + TICK_MS * Math.min(share, MAX_SHARE);
          while (performance.now() < end);
        }, TICK_MS);
      },
      /** Answers how many connections and datagrams there were. */
      end: async () => {
        clearInterval(timer);
        attack?.end();
        return attack?.count ?? 0;
      },
    },
  };
}
