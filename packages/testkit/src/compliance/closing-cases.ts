import { check, pause, until } from "./link-environment.ts";
import type { LinkCase } from "./link-case.ts";

const MB = 1_000_000;

/** Links that end. */
export const closingCases: readonly LinkCase[] = [
  {
    name: "code and reason of a close reach the other side",
    run: async (bench) => {
      const byClient = await bench.pair();
      byClient.client.link.close(77, "the client leaves");
      await until(() => byClient.server.closed !== undefined && byClient.client.closed !== undefined, "both ends closed");
      check(
        byClient.server.closed?.code === 77 && byClient.server.closed.reason === "the client leaves" && byClient.server.closed.remote,
        `the server was told ${JSON.stringify(byClient.server.closed)}`,
      );
      check(
        byClient.client.closed?.code === 77 && !byClient.client.closed.remote,
        `the client was told ${JSON.stringify(byClient.client.closed)}`,
      );
      const byServer = await bench.pair();
      byServer.server.link.close(78, "the server leaves");
      await until(() => byServer.client.closed !== undefined && byServer.server.closed !== undefined, "both ends closed");
      check(
        byServer.client.closed?.code === 78 && byServer.client.closed.reason === "the server leaves" && byServer.client.closed.remote,
        `the client was told ${JSON.stringify(byServer.client.closed)}`,
      );
    },
  },
  {
    name: "close is idempotent",
    run: async (bench) => {
      const { client, server } = await bench.pair();
      client.link.close(1, "first");
      client.link.close(2, "second");
      server.link.close(3, "third");
      await until(() => client.closed !== undefined && server.closed !== undefined, "both ends closed");
      await pause(50);
      client.link.close(4, "late");
      await pause(20);
      check(client.closeCount === 1 && server.closeCount === 1, "onClose came more than once");
      check(client.closed?.code === 1, "a later close changed the first");
    },
  },
  {
    name: "nothing is called after onClose",
    run: async (bench) => {
      for (const closer of ["client", "server"] as const) {
        const pair = await bench.pair();
        pair.down.dataHook = (data) => pair.down.send(data);
        pair.up.send(new Uint8Array(6 * MB));
        pair.down.send(new Uint8Array(6 * MB));
        await until(() => pair.up.receivedBytes > MB, "traffic");
        pair[closer].link.close(5, "in the middle");
        await until(() => pair.client.closed !== undefined && pair.server.closed !== undefined, "both ends closed");
        await pause(100);
        check(pair.client.callsAfterClose + pair.server.callsAfterClose === 0, "something was called after onClose");
      }
    },
  },
  {
    name: "closing the listener ends its links",
    run: async (bench) => {
      const { client } = await bench.pair();
      const listener = await bench.listen();
      await listener.close();
      await until(() => client.closed !== undefined, "the end of the client's link");
      check(client.closed?.remote === true, "the close looks local");
    },
  },
  {
    name: "links that come and go in numbers leave the server working",
    run: async (bench) => {
      for (let i = 0; i < 15; i += 1) {
        const { client, down } = await bench.pair();
        down.send(new Uint8Array(200_000));
        client.link.close(0, "");
      }
      const { up, down } = await bench.pair();
      down.send(new Uint8Array(MB));
      await up.receive(MB);
    },
  },
  {
    name: "a peer that dies without a word does no harm",
    needs: ["abrupt-death"],
    run: async (bench) => {
      const mortal = await bench.environment.startMortalServer?.();
      check(mortal !== undefined, "the environment has no mortal server");
      const client = await bench.dial(mortal.address);
      const carrier = client.open();
      carrier.send(new Uint8Array(1000));
      await carrier.receive(1000, "the echo");
      mortal.kill();
      for (let i = 0; i < 50; i += 1) {
        carrier.send(new Uint8Array(100_000));
        client.link.openCarrier()?.send([Uint8Array.of(1)]);
        client.link.stats();
        client.link.sendDatagram(new Uint8Array(10));
        await pause(5);
      }
      client.link.close(0, "");
      await until(() => client.closed !== undefined, "onClose after the own close");
      check(carrier.carrier.bufferedBytes === 0, "a closed link keeps bytes");
    },
  },
];
