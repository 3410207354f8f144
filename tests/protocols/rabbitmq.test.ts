import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { whyNotFull } from "./full-run.ts";
import { folderOfProcesses } from "./processes.ts";
import { freePort, run, serve, type Server } from "./program.ts";
import { Rig } from "./rig.ts";

const PROGRAM = new URL("programs/amqp.mjs", import.meta.url).pathname;
const folder = folderOfProcesses();
let missing: string | undefined;
let rabbit: Server;
let rig: Rig;
let environment: Record<string, string> = {};

beforeAll(async () => {
  missing = whyNotFull({ "/usr/sbin/rabbitmq-server": "rabbitmq-server" });
  if (missing !== undefined) return;
  const home = join(folder, "rabbitmq");
  execFileSync("install", ["-d", "-o", "rabbitmq", "-g", "rabbitmq", "-m", "700", home]);
  const [port, distribution, mapper] = [await freePort(), await freePort(), await freePort()];
  environment = {
    HOME: home,
    RABBITMQ_NODENAME: `kwik${process.pid}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    ERL_EPMD_PORT: String(mapper),
    RABBITMQ_MNESIA_BASE: join(home, "data"),
    RABBITMQ_LOG_BASE: join(home, "log"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, "plugins"),
    RABBITMQ_CONF_ENV_FILE: join(home, "none"),
    RABBITMQ_CONFIG_FILE: join(home, "none"),
  };
  rabbit = await serve(port, "/usr/lib/rabbitmq/bin/rabbitmq-server", [], { user: "rabbitmq", env: environment, cwd: home });
  rig = await Rig.start({ rabbit: port });
}, 600_000);

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
  if (missing === undefined)
    await run("/usr/lib/rabbitmq/bin/rabbitmqctl", ["shutdown"], { user: "rabbitmq", env: environment }).catch(() => undefined);
  if (missing === undefined) await run("epmd", ["-kill"], { env: environment }).catch(() => undefined);
  await rabbit?.[Symbol.asyncDispose]();
}, 120_000);

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

test.each(["silent", "killed"] as const)(
  "amqplib publishes, is confirmed and consumes every message in order while a line is %s",
  async (fault) => {
    const { stdout } = await rig.faulty(fault, 3_000_000, () =>
      run(process.execPath, [PROGRAM, String(rig.port("rabbit")), "4000", "1000"]),
    );
    expect(JSON.parse(stdout.toString())).toEqual({ confirmed: 4000, consumed: 4000, inOrder: true });
  },
);
