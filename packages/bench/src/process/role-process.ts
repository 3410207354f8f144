import { floodClient } from "../flood/flood-client.ts";
import { kwikClient } from "../kwik/kwik-client.ts";
import { kwikServer } from "../kwik/kwik-server.ts";
import { forwarder } from "../raw/forwarder.ts";
import { plainClient } from "../raw/plain-client.ts";
import { plainServer } from "../raw/plain-server.ts";
import { rawClient } from "../raw/raw-client.ts";
import { rawServer } from "../raw/raw-server.ts";
import { tlsClient } from "../raw/tls-client.ts";
import { tlsServer } from "../raw/tls-server.ts";
import { webServer } from "../raw/web-server.ts";
import { wsClient } from "../raw/ws-client.ts";
import { wsServer } from "../raw/ws-server.ts";
import { memory } from "../sampling.ts";
import type { Role, RoleName } from "./role.ts";
import { serveRole } from "./serve-role.ts";

// The entry of every process that a measurement starts: `node role-process.ts ROLE ARGUMENT`.

const [, , name = "", argument = "{}"] = process.argv;
const roles: Record<RoleName, (argument: never) => Promise<Role>> = {
  "kwik-server": kwikServer,
  "kwik-client": kwikClient,
  "raw-server": rawServer,
  "raw-client": rawClient,
  "tls-server": tlsServer,
  "tls-client": tlsClient,
  "ws-server": wsServer,
  "ws-client": wsClient,
  "web-server": webServer,
  "flood-client": floodClient,
  "plain-server": plainServer,
  "plain-client": plainClient,
  forwarder,
};

await serveRole(name, async () => {
  const role = await roles[name as RoleName](JSON.parse(argument) as never);
  return { ready: role.ready, commands: { memory: async () => memory(), ...role.commands } };
});
