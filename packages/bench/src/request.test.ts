import { expect, test } from "vitest";
import { Ask, encodeRequest, RequestReader } from "./request.ts";

test("a request is read whatever pieces it comes in, and gives back what follows it", () => {
  const bytes = new Uint8Array([...encodeRequest(Ask.upload, 5_000_000_000), 7, 8]);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const reader = new RequestReader();
    const first = reader.push(bytes.subarray(0, cut));
    const request = first ?? reader.push(bytes.subarray(cut));
    expect(request).toMatchObject({ ask: Ask.upload, count: 5_000_000_000 });
    const rest = request?.rest ?? new Uint8Array(0);
    expect([...rest]).toEqual(first === undefined ? [7, 8] : [...bytes.subarray(9, cut)]);
  }
});
