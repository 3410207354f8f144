import { check, pause, until } from "./link-environment.ts";
import type { LinkCase } from "./link-case.ts";

/** Datagrams: unreliable, but whole. */
export const datagramCases: readonly LinkCase[] = [
  {
    name: "datagrams arrive whole in both directions",
    needs: ["datagrams"],
    run: async (bench) => {
      const { client, server } = await bench.pair();
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        const size = Math.min(from.link.maxDatagramBytes, 1_000);
        check(size > 0, "the link has no datagrams");
        // Any single one may be lost.
        for (let i = 0; to.datagrams.length === 0 && i < 100; i += 1) {
          from.link.sendDatagram(new Uint8Array(size).fill(i));
          await pause(5);
        }
        const got = to.datagrams[0];
        check(got?.length === size && got.every((byte) => byte === got[0]), "a datagram was changed");
      }
    },
  },
  {
    name: "a datagram of the largest size is taken, a larger one refused",
    needs: ["datagrams"],
    run: async (bench) => {
      const { client } = await bench.pair();
      const size = client.link.maxDatagramBytes;
      check(client.link.sendDatagram(new Uint8Array(size)), "the largest datagram was refused");
      check(!client.link.sendDatagram(new Uint8Array(client.link.maxDatagramBytes + 100_000)), "a datagram that is too large was taken");
    },
  },
  {
    name: "the sender may reuse a datagram's buffer at once",
    needs: ["datagrams"],
    run: async (bench) => {
      const { client, server } = await bench.pair();
      const buffer = new Uint8Array(100);
      for (let i = 1; i <= 20; i += 1) {
        buffer.fill(i);
        client.link.sendDatagram(buffer);
        buffer.fill(0xff);
        await pause(2);
      }
      await until(() => server.datagrams.length > 0, "a datagram");
      check(
        server.datagrams.every((data) => data[0] !== 0xff),
        "a datagram took later bytes",
      );
    },
  },
];
