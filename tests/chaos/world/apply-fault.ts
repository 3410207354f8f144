import { setTimeout as pause } from "node:timers/promises";
import type { LoadRequest } from "../process/client-process.ts";
import type { Fault, ProcessRef } from "../plan/fault.ts";
import type { ChaosWorld } from "./chaos-world.ts";

/** A drain may take its own time and this much more before the process has to be gone. */
const DRAIN_MARGIN_MS = 10_000;
const LEAVE_MS = 10_000;

/** Lets a fault happen, waits, and undoes it. */
export async function applyFault(world: ChaosWorld, fault: Fault, load: LoadRequest, onViolation: (text: string) => void): Promise<void> {
  const { network } = world;
  switch (fault.kind) {
    case "kill":
      await world.take(fault.process)?.kill();
      await pause(fault.forMs);
      await startAgain(world, fault.process, load);
      return;
    case "drain": {
      const draining = world.take({ server: fault.server });
      await draining?.ask("drain", { graceMs: fault.graceMs }, fault.graceMs + DRAIN_MARGIN_MS + 60_000);
      await draining?.ask("close");
      if ((await draining?.leave(LEAVE_MS)) === false) onViolation(`${draining?.name ?? ""} did not end by itself after it had drained`);
      await pause(fault.forMs);
      await startAgain(world, { server: fault.server }, load);
      return;
    }
    case "pause": {
      const stopped = world.process(fault.process);
      stopped?.signal("SIGSTOP");
      await pause(fault.forMs);
      stopped?.signal("SIGCONT");
      return;
    }
    case "hole":
      for (const line of fault.lines) network.openHole(line, fault.side);
      await pause(fault.forMs);
      for (const line of fault.lines) network.closeHole(line);
      return;
    case "link-down":
      network.linkDown(fault.line);
      await pause(fault.forMs);
      network.linkUp(fault.line);
      return;
    case "loss":
      network.setLoss(fault.line, fault.share);
      await pause(fault.forMs);
      network.setLoss(fault.line, network.lines[fault.line]?.lossShare ?? 0);
      return;
    case "rate":
      network.setRate(fault.line, fault.megabitsPerSecond);
      await pause(fault.forMs);
      network.setRate(fault.line, network.lines[fault.line]?.megabitsPerSecond ?? 0);
      return;
    case "clock": {
      // Not of one that takes its place meanwhile.
      const stepped = world.process(fault.process);
      await stepped?.ask("clock", { stepMs: fault.stepMs }).catch(() => undefined);
      await pause(fault.forMs);
      if (stepped === world.process(fault.process)) await stepped?.ask("clock", { stepMs: -fault.stepMs }).catch(() => undefined);
      return;
    }
    case "disk-full": {
      const full = world.process({ client: fault.client });
      await full?.ask("fillDisk").catch(() => undefined);
      await pause(fault.forMs);
      await world
        .process({ client: fault.client })
        ?.ask("emptyDisk")
        .catch(() => undefined);
    }
  }
}

async function startAgain(world: ChaosWorld, ref: ProcessRef, load: LoadRequest): Promise<void> {
  const started = await world.start(ref);
  if ("client" in ref) await started.ask("load", load);
}
