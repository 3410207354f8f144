import type { Question, Reply, Role } from "./role.ts";

/** What every process answers. */
const common: Role["commands"] = {
  /** Processor time of all its threads so far, in seconds. */
  cpu: async () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  /** Ends in order, so that what Node collects on exit is written. */
  exit: async () => process.exit(0),
};

/** Makes a process's role, says so to the parent, and answers its questions until that is gone. */
export async function serveRole(name: string, make: () => Promise<Role>): Promise<void> {
  process.once("disconnect", () => process.exit(0));
  try {
    const role = await make();
    process.on("message", (question: Question) => void answer(name, role, question));
    reply({ id: 0, value: role.ready });
  } catch (error) {
    reply({ id: 0, error: describe(error) });
  }
}

async function answer(name: string, role: Role, question: Question): Promise<void> {
  try {
    const command = role.commands[question.command] ?? common[question.command];
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
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? `${String(error.code)}: ` : "";
  return `${code}${error.message}`;
}
