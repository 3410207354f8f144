import { check, pause, until } from "./link-environment.ts";
import type { CarrierEnd } from "./link-environment.ts";
import type { LinkCase } from "./link-case.ts";

const MB = 1_000_000;

/** Carriers that end abruptly. */
export const resetCases: readonly LinkCase[] = [
  {
    name: "a reset ends the carrier at the peer, once, and empties it here",
    run: async (bench) => {
      const { client, server } = await bench.pair();
      const carrier = client.open();
      carrier.send(new Uint8Array(10));
      await until(() => server.arrivals.length === 2, "the carrier");
      carrier.send(new Uint8Array(20 * MB));
      carrier.carrier.reset(5);
      carrier.carrier.reset(5);
      check(carrier.carrier.bufferedBytes === 0, "bytes are still buffered after a reset");
      await until(() => server.arrivals[1]?.ends === 1, "onEnd at the peer");
      await pause(50);
      check(server.arrivals[1]?.ends === 1, "onEnd came more than once");
      check(carrier.ends === 0, "onEnd came to the side that reset");
    },
  },
  {
    name: "resets under write stall neither other carriers nor other links",
    run: async (bench) => {
      // Each new carrier is written to without end until its reader resets it.
      bench.onServer = (server) => {
        server.onArrival = (end) => {
          end.dataHook = (data) => {
            if (data[0] === 1) return;
            for (let i = 0; i < 32; i += 1) end.send(new Uint8Array(64_000));
          };
        };
      };
      const first = await bench.pair();
      const second = await bench.pair();
      for (let i = 0; i < 40; i += 1) {
        const carrier = first.client.open();
        carrier.send(Uint8Array.of(2));
        await until(() => carrier.receivedBytes > 0, "some bytes before the reset");
        carrier.carrier.reset(9);
      }
      first.down.send(new Uint8Array(6 * MB));
      second.down.send(new Uint8Array(6 * MB));
      await Promise.all([first.up.receive(6 * MB, "the same link"), second.up.receive(6 * MB, "the other link")]);
    },
  },
  {
    name: "late data does not bring a reset carrier back",
    run: async (bench) => {
      const { client, server } = await bench.pair();
      server.onArrival = (end) => {
        end.dataHook = () => {
          for (let i = 0; i < 20; i += 1) end.send(new Uint8Array(50_000));
        };
      };
      const carriers: CarrierEnd[] = [];
      for (let i = 0; i < 50; i += 1) {
        const carrier = client.open();
        carriers.push(carrier);
        let atReset = 0;
        carrier.dataHook = () => {
          carrier.carrier.reset(1);
          if (atReset > 0) throw new Error("data after the reset");
          atReset = carrier.receivedBytes;
        };
        carrier.send(Uint8Array.of(1));
      }
      await until(() => carriers.every((carrier) => carrier.receivedBytes > 0), "data on every carrier");
      await until(() => server.arrivals.slice(1).every((end) => end.ends === 1), "all resets at the peer");
      await pause(50);
      check(client.arrivals.length === 0, "a reset carrier came back as a new one");
      check(client.closed === undefined, "the link ended");
      check(
        server.arrivals.every((end) => end.dataAfterEnd === 0),
        "data came after the end",
      );
    },
  },
  {
    name: "a carrier that was reset before its first byte does no harm",
    run: async (bench) => {
      const { client, up, down } = await bench.pair();
      for (let i = 0; i < 20; i += 1) client.open().carrier.reset(1);
      up.send(new Uint8Array(100));
      await down.receive(100);
    },
  },
  {
    name: "send after a reset, and after the end of the link, is harmless",
    run: async (bench) => {
      const { client, server, up, down } = await bench.pair();
      const carrier = client.open();
      carrier.send(Uint8Array.of(1));
      await until(() => server.arrivals.length === 2, "the carrier");
      carrier.carrier.reset(1);
      carrier.send(new Uint8Array(1000));
      check(carrier.carrier.bufferedBytes === 0, "a reset carrier buffers");
      const peer = server.arrivals[1] as CarrierEnd;
      await until(() => peer.ends === 1, "the reset");
      peer.send(new Uint8Array(1000));
      up.send(new Uint8Array(1000));
      await down.receive(1000);
      client.link.close(0, "");
      up.send(new Uint8Array(1000));
      check(client.link.openCarrier() === undefined, "a closed link opens carriers");
      check(!client.link.sendDatagram(new Uint8Array(1)), "a closed link takes datagrams");
      await until(() => server.closed !== undefined, "the close");
      down.send(new Uint8Array(1000));
      down.carrier.reset(0);
      check(server.link.openCarrier() === undefined, "a link that ended opens carriers");
    },
  },
  {
    name: "1000 carriers can be opened and reset, from both sides, again and again",
    run: async (bench) => {
      const { client, server, up, down } = await bench.pair();
      for (const opener of [client, server]) {
        let opened = 0;
        const end = Date.now() + 30_000;
        while (opened < 1000) {
          check(Date.now() < end, `only ${opened} carriers could be opened`);
          for (const { closed } of [client, server])
            check(closed === undefined, `the link ended after ${opened} carriers: ${closed?.reason}`);
          const carrier = opener.link.openCarrier();
          if (carrier === undefined) {
            await pause(5);
            continue;
          }
          carrier.send([Uint8Array.of(1)]);
          carrier.reset(1);
          opened += 1;
        }
      }
      up.send(new Uint8Array(MB));
      await down.receive(MB);
      check(client.closed === undefined && server.closed === undefined, "the link ended");
    },
  },
];
