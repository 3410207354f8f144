import { ErrorCode, type Link } from "@kwik/core";
import { expect, test } from "vitest";
import { offerLink } from "./offer-link.ts";

function offered(onLink: (link: Link & { isAttached: boolean }) => void): { notices: string[]; closes: unknown[] } {
  const notices: string[] = [];
  const closes: unknown[] = [];
  const link = {
    isAttached: false,
    properties: { remoteAddress: "10.0.0.1:5" },
    close: (code: number, reason: string) => closes.push([code, reason]),
  } as unknown as Link & { isAttached: boolean };
  offerLink(link, { onLink: () => onLink(link), onNotice: (message) => notices.push(message) });
  return { notices, closes };
}

test("a link that somebody attached to stays open", () => {
  expect(offered((link) => (link.isAttached = true))).toEqual({ notices: [], closes: [] });
});

test("a link to which nobody attached, and one whose receiver throws, are closed with a notice", () => {
  const closes = [[ErrorCode.INTERNAL_ERROR, "the receiver failed"]];
  expect(offered(() => undefined)).toEqual({
    notices: ["the receiver of a link from 10.0.0.1:5 failed: nobody attached to the link"],
    closes,
  });
  const throwing = offered(() => {
    throw new Error("a fault above");
  });
  expect(throwing).toEqual({ notices: ["the receiver of a link from 10.0.0.1:5 failed: a fault above"], closes });
});
