import { afterEach } from "vitest";
import { type AnyServer, type AnySocket, closed, pair as openPair, serve as startServer, type World } from "./worlds.ts";

/** What a socket tells of itself. */
export const SOCKET_EVENTS = ["connect", "ready", "end", "finish", "error", "close"];

export interface KeptWorld {
  /** Closes a server after the test, and its sockets. */
  track(server: AnyServer): AnyServer;
  serve(...args: Parameters<typeof startServer> extends [unknown, ...infer Rest] ? Rest : never): Promise<AnyServer>;
  pair(options?: object): ReturnType<typeof openPair>;
}

/** Servers and sockets of a world that are gone after each test. To be called where tests are declared. */
export function keptIn(world: World): KeptWorld {
  const ending: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end();
  });
  const track = (server: AnyServer): AnyServer => {
    const sockets = new Set<AnySocket>();
    server.on("connection", (socket: AnySocket) => sockets.add(socket));
    ending.push(async () => {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await closed(server);
    });
    return server;
  };
  return {
    track,
    serve: async (...args) => track(await startServer(world, ...args)),
    pair: async (options = {}) => {
      const made = await openPair(world, options);
      ending.push(async () => {
        made.near.destroy();
        made.far.destroy();
        if (made.server.listening) await closed(made.server);
      });
      return made;
    },
  };
}
