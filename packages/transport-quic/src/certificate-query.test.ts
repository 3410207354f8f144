import { expect, test } from "vitest";
import { queryAnswer } from "./certificate-query.ts";
import { PlayedLink } from "./played-link.fixture.ts";

test("a server that stops or dies before it has shown its certificate is unreachable, not something else than kwik", async () => {
  const link = new PlayedLink();
  const asked = link.ask();
  link.receiver?.onClose({ code: 0x19, reason: "the server is shutting down", remote: true });
  await expect(asked).rejects.toMatchObject({ code: "UNREACHABLE", message: expect.stringContaining("shutting down") as string });
});

test("so is one that falls silent", async () => {
  await expect(new PlayedLink().ask(1)).rejects.toMatchObject({ code: "UNREACHABLE" });
});

test("one that answers with what is no chain is no kwik server", async () => {
  const link = new PlayedLink();
  const asked = link.ask();
  link.carrier.receiver?.onData(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  await expect(asked).rejects.toMatchObject({ code: "NOT_KWIK" });
});

test("a chain is taken however it arrives", async () => {
  const link = new PlayedLink();
  const asked = link.ask();
  for (const byte of queryAnswer("PEM")) link.carrier.receiver?.onData(Uint8Array.of(byte));
  await expect(asked).resolves.toBe("PEM");
});
