import { fileURLToPath } from "node:url";
import type { Role } from "../../process/role.ts";
import { serveRole } from "../../process/serve-role.ts";
import { contentClient, contentServer } from "../roles/content-ends.ts";
import { counter } from "../roles/counter.ts";
import { dialClient, dialServer } from "../roles/dial-ends.ts";
import { engineClient, engineServer } from "../roles/engine-ends.ts";
import { homeClient, homeServer } from "../roles/home-ends.ts";
import { httpTarget } from "../roles/http-target.ts";
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
  "dial-server": dialServer,
  "dial-client": dialClient,
  "http-target": httpTarget,
  counter,
};

// This file is also imported for its own name.
if (process.argv[1] === LAB_PROCESS_FILE) {
  const [, , name = "", argument = "{}"] = process.argv;
  await serveRole(name, () => roles[name as LabRoleName](JSON.parse(argument) as never));
}
