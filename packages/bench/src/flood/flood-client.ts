import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Role } from "../process/role.ts";
import { Attack, type AttackKind } from "./attack.ts";

/** How often the attacker looks at the clock, in milliseconds. */
const TICK_MS = 5;
/** As many as the QUIC engine has for the attacker's clients. */
const IDLE_THREADS = 4;
/** A thread that takes a share of a processor, as its own clock of processor time says, and does nothing with it. */
const IDLE_THREAD = `
const { workerData: share } = require("node:worker_threads");
const start = performance.now();
const used = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000; };
const before = used();
setInterval(() => {
  const now = performance.now();
  while (used() - before < (performance.now() - start) * share && performance.now() < now + ${TICK_MS});
}, 1);
`;

/** A process that attacks one port when it is told to. */
export async function floodClient(argument: { readonly port: number }): Promise<Role> {
  let attack: Attack | undefined;
  let timer: NodeJS.Timeout | undefined;
  let idlers: Worker[] = [];
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
      /** Takes so much of a processor and attacks nobody: 0.5 is half of the time. Answers when all its threads run, so that their beginning is not counted. */
      idle: async ({ share }: { share: number }) => {
        attack = undefined;
        idlers = Array.from({ length: IDLE_THREADS }, () => new Worker(IDLE_THREAD, { eval: true, workerData: share / IDLE_THREADS }));
        await Promise.all(idlers.map((idler) => once(idler, "online")));
      },
      /** Answers how many connections and datagrams there were. */
      end: async () => {
        clearInterval(timer);
        await Promise.all(idlers.splice(0).map((idler) => idler.terminate()));
        attack?.end();
        return attack?.count ?? 0;
      },
    },
  };
}
