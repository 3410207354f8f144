import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initCluster, issueServer, makeSelfSigned } from "@kwik/trust";

export interface ServerMaterial {
  readonly cert: string;
  readonly key: string;
  readonly identity: string;
}

/** A certificate that is its own authority. */
export function selfSigned(): Promise<ServerMaterial> {
  return makeSelfSigned();
}

/** An authority, and servers that it certified for the given hosts. */
export async function cluster(...servers: readonly (readonly string[])[]): Promise<{ ca: string; servers: ServerMaterial[] }> {
  const scratch = await mkdtemp(join(tmpdir(), "kwik-test-"));
  try {
    const directory = join(scratch, "cluster");
    await initCluster(directory);
    const issued: ServerMaterial[] = [];
    for (const [index, hosts] of servers.entries()) {
      const server = await issueServer(directory, { hosts, name: `server${index}` });
      issued.push({
        cert: await readFile(server.certFile, "utf8"),
        key: await readFile(server.keyFile, "utf8"),
        identity: server.identity,
      });
    }
    return { ca: await readFile(join(directory, "ca.pem"), "utf8"), servers: issued };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
