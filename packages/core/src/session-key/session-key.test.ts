import fc from "fast-check";
import { expect, test } from "vitest";
import { type JoinStatement, joinTranscript } from "./join-transcript.ts";
import { isSessionPublicKey, SessionKey, verifySignature } from "./session-key.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

// spec: SESS-4
test("a signature verifies under its key, for its data only", async () => {
  const key = await SessionKey.create();
  const other = await SessionKey.create();
  const data = bytes("join me");
  const signature = await key.sign(data);
  expect(isSessionPublicKey(key.publicKey)).toBe(true);
  expect(signature.length).toBe(64);
  expect(await verifySignature(key.publicKey, data, signature)).toBe(true);
  expect(await verifySignature(key.publicKey, bytes("join you"), signature)).toBe(false);
  expect(await verifySignature(other.publicKey, data, signature)).toBe(false);
  for (const at of [0, 31, 32, 63]) {
    const changed = signature.slice();
    changed[at] = (changed[at] as number) ^ 1;
    expect(await verifySignature(key.publicKey, data, changed)).toBe(false);
  }
});

test("views into larger buffers are signed and verified as what they show", async () => {
  const key = await SessionKey.create();
  const signature = await key.sign(bytes("xxjoinxx").subarray(2, 6));
  const padded = new Uint8Array(200).fill(7);
  padded.set(key.publicKey, 5);
  padded.set(signature, 100);
  expect(await verifySignature(padded.subarray(5, 5 + key.publicKey.length), bytes("join"), padded.subarray(100, 164))).toBe(true);
});

test("garbage is a wrong signature, never an exception", async () => {
  const key = await SessionKey.create();
  const data = bytes("data");
  const signature = await key.sign(data);
  const offCurve = key.publicKey.slice();
  offCurve.fill(1, 27);
  const compressed = Uint8Array.from([...key.publicKey.subarray(0, 26), 2, ...key.publicKey.subarray(27, 59)]);
  for (const publicKey of [new Uint8Array(), new Uint8Array(91), key.publicKey.subarray(1), offCurve, compressed, new Uint8Array(5000)]) {
    expect(await verifySignature(publicKey, data, signature)).toBe(false);
  }
  for (const wrong of [new Uint8Array(), new Uint8Array(64), new Uint8Array(63), new Uint8Array(72), new Uint8Array(64).fill(0xff)]) {
    expect(await verifySignature(key.publicKey, data, wrong)).toBe(false);
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 120 }), fc.uint8Array({ maxLength: 80 }), async (publicKey, wrong) => {
      expect(await verifySignature(publicKey, data, wrong)).toBe(false);
    }),
  );
});

const statement: JoinStatement = {
  sessionId: "00".repeat(16),
  pathId: 1,
  memberId: 2,
  identity: `sha256:${"ab".repeat(32)}`,
  ticket: "a.b.c",
};

// spec: CTRL-11
test("every field of a join changes what is signed", () => {
  const changes: Partial<JoinStatement>[] = [
    { sessionId: "01".repeat(16) },
    { pathId: 2 },
    { memberId: 1 },
    { identity: "" },
    { ticket: "" },
  ];
  const all = [statement, ...changes.map((change) => ({ ...statement, ...change }))].map((one) => joinTranscript(one).join());
  expect(new Set(all).size).toBe(all.length);
});

test("moving bytes from one field to its neighbour changes what is signed", () => {
  const moved = (sessionId: string, pathId: number): string => joinTranscript({ ...statement, sessionId, pathId }).join();
  expect(moved("12", 34)).not.toBe(moved("123", 4));
  const text = fc.string({ maxLength: 6 });
  fc.assert(
    fc.property(fc.tuple(text, text), fc.tuple(text, text), ([a, b], [c, d]) => {
      const one = joinTranscript({ ...statement, identity: a, ticket: b }).join();
      const two = joinTranscript({ ...statement, identity: c, ticket: d }).join();
      expect(one === two).toBe(bytes(a).join() === bytes(c).join() && bytes(b).join() === bytes(d).join());
    }),
  );
});

// spec: CTRL-11
test("the signed bytes begin with their purpose and have the documented form", () => {
  const small = joinTranscript({
    sessionId: "ab",
    pathId: 1,
    memberId: 2,
    identity: "i",
    ticket: "t",
  });
  const field = (...content: number[]): number[] => [0, 0, 0, content.length, ...content];
  expect([...small]).toEqual([
    ...field(...bytes("kwik join proof v1")),
    ...field(0x61, 0x62),
    ...field(0x31),
    ...field(0x32),
    ...field(0x69),
    ...field(0x74),
  ]);
});
