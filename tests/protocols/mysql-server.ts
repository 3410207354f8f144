import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { freePort, run, serve, type Server } from "./program.ts";

/** Of Debian: what it needs, by path. */
export const MYSQL_PROGRAMS = { "/usr/sbin/mariadbd": "mariadb-server", "/usr/bin/mariadb": "mariadb-client" } as const;

/** A MariaDB of Debian, with new data in `folder`, in which the user `test` may everything with the password `secret`. Root only. */
export async function startMysql(folder: string): Promise<Server> {
  const data = join(folder, "mysql");
  execFileSync("install", ["-d", "-o", "mysql", "-g", "mysql", "-m", "700", data]);
  const user = { user: "mysql", cwd: folder };
  await run(
    "mariadb-install-db",
    ["--no-defaults", `--datadir=${data}`, "--skip-test-db", "--auth-root-authentication-method=normal"],
    user,
  );
  const port = await freePort();
  const socket = join(data, "socket");
  const flags = [
    `--datadir=${data}`,
    `--port=${port}`,
    `--socket=${socket}`,
    "--bind-address=127.0.0.1",
    "--innodb-flush-log-at-trx-commit=0",
  ];
  const server = await serve(port, "mariadbd", ["--no-defaults", "--max-allowed-packet=256M", ...flags], user);
  await run("mariadb", ["--no-defaults", "-S", socket, "-u", "root"], {
    ...user,
    input: "create database work; create user test@'127.0.0.1' identified by 'secret'; grant all on work.* to test@'127.0.0.1';",
  });
  return server;
}
