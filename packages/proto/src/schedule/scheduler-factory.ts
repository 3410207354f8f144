import { EarliestCompletion } from "./earliest-completion.ts";
import { MinRtt } from "./min-rtt.ts";
import { RoundRobin } from "./round-robin.ts";
import type { SchedulerFactory } from "./scheduler.ts";

const factories: Readonly<Record<string, SchedulerFactory>> = {
  "earliest-completion": () => new EarliestCompletion(),
  "min-rtt": () => new MinRtt(),
  "round-robin": () => new RoundRobin(),
};

/** A scheduler by its name, "earliest-completion" by default, or a factory as it is. Throws RangeError for an unknown name. */
export function schedulerFactory(choice: string | SchedulerFactory = "earliest-completion"): SchedulerFactory {
  if (typeof choice === "function") return choice;
  const factory = factories[choice];
  if (factory === undefined) throw new RangeError(`there is no scheduler "${choice}"; known are ${Object.keys(factories).join(", ")}`);
  return factory;
}
