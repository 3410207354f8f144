import { kwikClient } from "../kwik/kwik-client.ts";
import { kwikServer } from "../kwik/kwik-server.ts";
import { rawClient } from "../raw/raw-client.ts";
import { rawServer } from "../raw/raw-server.ts";
import { memory } from "../sampling.ts";
import type { Question, Reply, Role, RoleName } from "./role.ts";

// The entry of every process that a measurement starts: `node role-process.ts ROLE ARGUMENT`.

const [, , name = "", argument = "{}"] = process.argv;
const roles: Record<RoleName, (argument: never) => Promise<Role>> = {
  "kwik-server": kwikServer,
  "kwik-client": kwikClient,
  "raw-server": rawServer,
  "raw-client": rawClient,
};

/** What every process answers. */
const common: Role["commands"] = {
  /** Processor time of all its threads so far, in seconds. */
  cpu: async () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  memory: async () => memory(),
  /** Ends in order, so that what Node collects on exit is written. */
  exit: async () => process.exit(0),
};

process.once("disconnect", () => process.exit(0));
try {
  const role = await roles[name as RoleName](JSON.parse(argument) as never);
  process.on("message", (question: Question) => void answer(role, question));
  reply({ id: 0, value: role.ready });
} catch (error) {
  reply({ id: 0, error: describe(error) });
}

async function answer(role: Role, question: Question): Promise<void> {
  try {
    const command = common[question.command] ?? role.commands[question.command];
    if (command === undefined) throw new Error(`${name} knows no ${question.command}`);
    reply({ id: question.id, value: await command(question.argument as never) });
  } catch (error) {
    reply({ id: question.id, error: describe(error) });
  }
}

function reply(message: Reply): void {
  process.send?.(message);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
