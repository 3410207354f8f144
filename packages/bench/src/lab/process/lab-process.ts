import { fileURLToPath } from "node:url";
import type { Question, Reply, Role } from "../../process/role.ts";
import { contentClient, contentServer } from "../roles/content-ends.ts";
import { counter } from "../roles/counter.ts";
import { engineClient, engineServer } from "../roles/engine-ends.ts";
import { homeClient, homeServer } from "../roles/home-ends.ts";
import { tcpClient, tcpServer } from "../roles/tcp-ends.ts";
import type { LabRoleName } from "./lab-role.ts";

/** The entry of every process of the laboratory: `node lab-process.ts ROLE ARGUMENT`, with an IPC channel. */
export const LAB_PROCESS_FILE = fileURLToPath(import.meta.url);

const roles: Record<LabRoleName, (argument: never) => Promise<Role>> = {
  "tcp-server": tcpServer,
  "tcp-client": tcpClient,
  "engine-server": engineServer,
  "engine-client": engineClient,
  "home-server": homeServer,
  "home-client": homeClient,
  "content-server": contentServer,
  "content-client": contentClient,
  counter,
};

/** What every process answers. */
const common: Role["commands"] = {
  /** Processor time of all its threads so far, in seconds. */
  cpu: async () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
};

async function work(name: string, argument: string): Promise<void> {
  process.once("disconnect", () => process.exit(0));
  try {
    const role = await roles[name as LabRoleName](JSON.parse(argument) as never);
    process.on("message", (question: Question) => void answer(name, role, question));
    reply({ id: 0, value: role.ready });
  } catch (error) {
    reply({ id: 0, error: describe(error) });
  }
}

async function answer(name: string, role: Role, question: Question): Promise<void> {
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
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? `${String(error.code)}: ` : "";
  return `${code}${error.message}`;
}

// This file is also imported for its own name.
if (process.argv[1] === LAB_PROCESS_FILE) await work(process.argv[2] ?? "", process.argv[3] ?? "{}");
