import { expect, test } from "vitest";
import type { NumberedBody } from "../control/control-body.ts";
import { partialBody } from "../control/partial-body.ts";
import { OfferTurns } from "./offer-turns.ts";

function turns() {
  const said: string[] = [];
  const send = ({ case: kind, value }: NumberedBody): void => {
    said.push(`${kind} ${(value as { offerId: number }).offerId}`);
  };
  const offers = new OfferTurns(send);
  const offer = (offerId: number, stream: number): void => offers.offer(offerId, BigInt(stream), partialBody("contentOffer", { offerId }));
  const hashes = (offerId: number): void => offers.say(offerId, partialBody("contentHashes", { offerId }));
  return { offers, offer, hashes, said };
}

// spec: CONTENT-22
test("the first content of each stream is offered at once, further ones of all streams up to 256", () => {
  const { offer, said } = turns();
  for (let id = 0; id < 1000; id += 1) offer(id, id);
  expect(said).toHaveLength(1000);
  for (let id = 1000; id < 1300; id += 1) offer(id, id % 7);
  expect(said).toHaveLength(1256);
});

test("what waits is said with its hashes, in its order, when the client is done with others", () => {
  const { offers, offer, hashes, said } = turns();
  for (let id = 0; id <= 256; id += 1) offer(id, 1);
  said.length = 0;
  offer(300, 1);
  hashes(300);
  offer(301, 1);
  hashes(300);
  hashes(5);
  expect(said).toEqual(["contentHashes 5"]);
  offers.done(7);
  expect(said.slice(1)).toEqual(["contentOffer 300", "contentHashes 300", "contentHashes 300"]);
  hashes(300);
  offers.done(7);
  offers.done(301);
  offers.done(8);
  expect(said.slice(4)).toEqual(["contentHashes 300"]);
});

test("a stream whose contents are all done begins anew, however many others have under way", () => {
  const { offers, offer, said } = turns();
  for (let id = 0; id <= 256; id += 1) offer(id, 1);
  offer(300, 2);
  offer(301, 2);
  expect(said.at(-1)).toBe("contentOffer 300");
  offers.done(300);
  expect(said.at(-1)).toBe("contentOffer 301");
});
