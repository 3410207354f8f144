import { createServer } from "node:net";
import type { Role } from "../process/role.ts";
import { serveSocket } from "./serve-socket.ts";

/** A server of TCP that does what the first bytes on each connection ask. */
export async function plainServer(): Promise<Role> {
  const server = createServer(serveSocket);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { ready: typeof address === "object" ? address?.port : undefined, commands: {} };
}
