import { check, pattern, patternAt, until } from "./link-environment.ts";
import type { CarrierEnd } from "./link-environment.ts";
import type { LinkCase } from "./link-case.ts";

const MB = 1_000_000;

function expectPattern(end: CarrierEnd, seed: number): void {
  end.expected = (offset) => patternAt(seed, offset);
}

/** A small generator of numbers below `limit`, the same in every run. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % limit;
  };
}

/** Bytes arrive, whole and in order. */
export const transferCases: readonly LinkCase[] = [
  {
    name: "bytes arrive in order in both directions of a carrier",
    run: async (bench) => {
      const { up, down } = await bench.pair();
      expectPattern(up, 1);
      expectPattern(down, 2);
      up.send(pattern(2, 0, MB));
      down.send(pattern(1, 0, MB));
      await Promise.all([up.receive(MB, "towards the client"), down.receive(MB, "towards the server")]);
    },
  },
  {
    name: "it does not matter how the bytes were cut into parts",
    run: async (bench) => {
      const { up, down } = await bench.pair();
      expectPattern(down, 3);
      const next = numbers(7);
      let offset = 0;
      while (offset < 3 * MB) {
        const parts: Uint8Array[] = [];
        for (let i = next(6); i >= 0; i -= 1) {
          const length = next(4) === 0 ? next(90_000) : next(700);
          parts.push(pattern(3, offset, length));
          offset += length;
        }
        up.send(...parts);
      }
      await down.receive(offset);
    },
  },
  {
    name: "what arrived lies in buffers of its own: emptying them harms nothing",
    needs: ["owned-buffers"],
    run: async (bench) => {
      const { up, down, client, server } = await bench.pair();
      check(client.link.capabilities.ownedBuffers && server.link.capabilities.ownedBuffers, "the link does not say so");
      const buffers = new Set<ArrayBufferLike>();
      let whole = 0;
      const empty = (data: Uint8Array): void => {
        if (data.length !== data.buffer.byteLength || !(data.buffer instanceof ArrayBuffer)) return;
        check(!buffers.has(data.buffer), "a buffer came twice");
        buffers.add(data.buffer);
        whole += data.length;
        data.buffer.transfer(0);
      };
      for (const [from, to, seed, words] of [
        [up, down, 4, "towards the server"],
        [down, up, 5, "towards the client"],
      ] as const) {
        whole = 0;
        to.dataHook = empty;
        expectPattern(to, seed);
        from.send(pattern(seed, 0, 8 * MB));
        await to.receive(8 * MB, words);
        check(whole > 4 * MB, `${words}: only ${whole} bytes came in buffers that hold nothing else`);
      }
    },
  },
  {
    name: "parts without bytes are harmless",
    run: async (bench) => {
      const { up, down } = await bench.pair();
      const none = new Uint8Array(0);
      up.send();
      up.send(none);
      up.send(none, none, pattern(0, 0, 10), none);
      expectPattern(down, 0);
      await down.receive(10);
      check(up.carrier.bufferedBytes === 0, "bytes are still buffered");
    },
  },
  {
    name: "many carriers at once keep their bytes apart",
    run: async (bench) => {
      const { client, server } = await bench.pair();
      const count = 50;
      const bytes = 100_000;
      server.onArrival = (end) => {
        end.dataHook = (data) => {
          // The first byte says which carrier it is.
          if (end.expected === undefined) {
            expectPattern(end, data[0] as number);
            end.receivedBytes = data.length - 1;
          }
        };
      };
      for (let seed = 1; seed <= count; seed += 1) client.open().send(Uint8Array.of(seed), pattern(seed, 0, bytes));
      await until(
        () => server.arrivals.length === count + 1 && server.arrivals.slice(1).every((end) => end.receivedBytes === bytes),
        "all carriers' bytes",
      );
      for (const end of server.arrivals.slice(1)) check(end.firstWrongAt === undefined, "bytes of carriers were mixed");
    },
  },
  {
    name: "both sides open carriers, with different ids",
    run: async (bench) => {
      const { client, server } = await bench.pair();
      const opened: CarrierEnd[] = [];
      for (let i = 0; i < 10; i += 1) {
        const fromClient = client.open();
        const fromServer = server.open();
        opened.push(fromClient, fromServer);
        fromClient.send(Uint8Array.of(i));
        fromServer.send(Uint8Array.of(i));
      }
      await until(() => client.arrivals.length === 10 && server.arrivals.length === 11, "all carriers");
      check(new Set(opened.map((end) => end.carrier.id)).size === 20, "ids repeat");
      for (const end of client.arrivals) end.send(Uint8Array.of(9, 9));
      await until(() => opened.filter((end) => end.receivedBytes === 2).length === 10, "answers on the server's carriers");
    },
  },
  {
    name: "data right after the open is not lost",
    run: async (bench) => {
      const { client, server } = await bench.pair();
      for (let i = 0; i < 100; i += 1) {
        const carrier = client.open();
        carrier.send(pattern(i, 0, 100));
        carrier.send(pattern(i, 100, 5_000));
      }
      await until(() => server.arrivals.slice(1).reduce((sum, end) => sum + end.receivedBytes, 0) === 510_000, "all bytes");
    },
  },
  {
    name: "a backlog of 8 MB arrives although the reader was busy",
    run: async (bench) => {
      const { up, down } = await bench.pair();
      expectPattern(down, 4);
      let wasBusy = false;
      down.dataHook = () => {
        if (wasBusy) return;
        wasBusy = true;
        const end = Date.now() + 300;
        while (Date.now() < end);
      };
      for (let offset = 0; offset < 8 * MB; offset += 64_000) up.send(pattern(4, offset, 64_000));
      await down.receive(8 * MB);
    },
  },
  {
    name: "bufferedBytes goes back to 0, on the carrier and in the stats",
    run: async (bench) => {
      const { client, up, down } = await bench.pair();
      up.send(new Uint8Array(12 * MB));
      await down.receive(12 * MB);
      await until(() => up.carrier.bufferedBytes === 0 && client.link.stats().bufferedBytes === 0, "empty buffers");
    },
  },
  {
    name: "an echo sent from inside onData works while the carrier is blocked",
    run: async (bench) => {
      const { up, down } = await bench.pair();
      down.dataHook = (data) => down.send(data);
      expectPattern(up, 5);
      for (let offset = 0; offset < 8 * MB; offset += 50_000) up.send(pattern(5, offset, 50_000));
      await up.receive(8 * MB, "the echo");
    },
  },
  {
    name: "onBatchEnd follows data",
    run: async (bench) => {
      const { server, up, down } = await bench.pair();
      await until(() => server.batchEnds > 0, "a first batch end");
      for (let i = 1; i <= 3; i += 1) {
        const before = server.batchEnds;
        up.send(new Uint8Array(1000));
        await down.receive(1000 * i);
        await until(() => server.batchEnds > before, "a batch end after data");
      }
    },
  },
  {
    name: "nothing is called back from inside a call",
    run: async (bench) => {
      const { client, server, up, down } = await bench.pair();
      let isInside = false;
      let reentered = 0;
      const watch = (): void => {
        if (isInside) reentered += 1;
      };
      const inside = (call: () => void): void => {
        isInside = true;
        call();
        isInside = false;
      };
      for (const end of [client, server]) {
        end.onArrival = watch;
        const onClose = end.onClose.bind(end);
        end.onClose = (info) => {
          watch();
          onClose(info);
        };
      }
      up.dataHook = watch;
      down.dataHook = (data) => {
        watch();
        down.send(data);
      };
      inside(() => up.send(new Uint8Array(3 * MB)));
      await until(() => up.receivedBytes === 3 * MB, "the echo");
      const other = client.open();
      inside(() => other.send(Uint8Array.of(1)));
      inside(() => other.carrier.reset(1));
      inside(() => client.link.close(1, "done"));
      await until(() => client.closed !== undefined && server.closed !== undefined, "both closed");
      check(reentered === 0, `${reentered} calls came from inside a call`);
    },
  },
  {
    name: "bytes that are not kwik's pass through unchanged",
    run: async (bench) => {
      await bench.listen();
      const client = await bench.dial();
      client.open().send(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
      client.open().send(Uint8Array.of(0x4b));
      await until(() => bench.servers[0]?.arrivals.length === 2, "both carriers");
      const ends = bench.servers[0]?.arrivals ?? [];
      await until(() => ends[0]?.receivedBytes === 18 && ends[1]?.receivedBytes === 1, "their bytes");
    },
  },
  {
    name: "a receiver that throws ends its own link and no other",
    run: async (bench) => {
      const bad = await bench.pair();
      const good = await bench.pair();
      bad.down.dataHook = () => {
        throw new Error("a fault above the link");
      };
      good.down.dataHook = (data) => good.down.send(data);
      bad.up.send(Uint8Array.of(1));
      good.up.send(new Uint8Array(MB));
      await good.up.receive(MB, "the other link's echo");
      await until(() => bad.client.closed !== undefined && bad.server.closed !== undefined, "the end of the faulty link");
    },
  },
];
