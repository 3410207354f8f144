import { BytePacer } from "../serve/byte-pacer.ts";

/** Clients whose pace is kept, at most. One that is forgotten begins anew, with a burst of 50 ms. */
const MAX_CLIENTS = 1_000;

/** Lets bytes of a relay's clients through: all of them at `rate`, and each at `ratePerClient`, in bytes per second; undefined is no bound. */
export function relayPace(rate: number | undefined, ratePerClient: number | undefined): (client: string, bytes: number) => Promise<void> {
  const all = rate === undefined ? undefined : new BytePacer(rate);
  const clients = new Map<string, BytePacer>();
  const pacerOf = (client: string, bytesPerSecond: number): BytePacer => {
    const pacer = clients.get(client) ?? new BytePacer(bytesPerSecond);
    // Last touched, last in the map.
    clients.delete(client);
    clients.set(client, pacer);
    if (clients.size > MAX_CLIENTS) clients.delete(clients.keys().next().value as string);
    return pacer;
  };
  return async (client, bytes) => {
    // Its own share first: who waits for it holds up nobody else.
    if (ratePerClient !== undefined) await pacerOf(client, ratePerClient).take(bytes);
    await all?.take(bytes);
  };
}
