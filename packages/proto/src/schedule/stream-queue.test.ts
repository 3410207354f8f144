import fc from "fast-check";
import { expect, test } from "vitest";
import { StreamQueue } from "./stream-queue.ts";

function turns(queue: StreamQueue<string>, count: number): string {
  let out = "";
  for (let i = 0; i < count; i += 1) {
    out += queue.peek() ?? "-";
    queue.rotate();
  }
  return out;
}

// spec: STREAM-9
test("equal priorities take turns in the order they came", () => {
  const queue = new StreamQueue<string>();
  for (const item of ["a", "b", "c"]) queue.add(item, 128);
  expect(turns(queue, 7)).toBe("abcabca");
});

test("a turn lasts for about 16 KiB", () => {
  const queue = new StreamQueue<string>();
  queue.add("a", 1);
  queue.add("b", 1);
  const out: (string | undefined)[] = [];
  for (let i = 0; i < 8; i += 1) {
    out.push(queue.peek());
    queue.rotate(8 * 1024);
  }
  expect(out.join("")).toBe("aabbaabb");
});

// spec: STREAM-9
test("higher priorities go first, but one turn of sixteen goes to the lower ones in turn", () => {
  const queue = new StreamQueue<string>();
  queue.add("c", 0);
  queue.add("a", 255);
  queue.add("b", 100);
  const out = turns(queue, 64);
  expect(out).toBe(`${"a".repeat(15)}b${"a".repeat(15)}c${"a".repeat(15)}b${"a".repeat(15)}c`);
});

test("short high streams that come and go do not starve a low one", () => {
  const queue = new StreamQueue<number>();
  queue.add(-1, 10);
  let low = 0;
  for (let i = 0; i < 160; i += 1) {
    queue.add(i, 200);
    const head = queue.peek();
    if (head === -1) {
      low += 1;
      queue.rotate();
    } else if (head !== undefined) queue.remove(head);
  }
  expect(low).toBe(10);
});

test("an item added again with another priority moves", () => {
  const queue = new StreamQueue<string>();
  queue.add("a", 10);
  queue.add("b", 20);
  expect(queue.peek()).toBe("b");
  queue.add("a", 30);
  expect(queue.peek()).toBe("a");
  expect(queue.size).toBe(2);
});

test("under any use it holds exactly what was added and not removed, and serves all of it", () => {
  const operation = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), item: fc.nat(30), priority: fc.nat(255) }),
    fc.record({ kind: fc.constant("remove" as const), item: fc.nat(30), priority: fc.constant(0) }),
    fc.record({ kind: fc.constant("rotate" as const), item: fc.constant(0), priority: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 100 }), (operations) => {
      const queue = new StreamQueue<number>();
      const oracle = new Map<number, number>();
      for (const { kind, item, priority } of operations) {
        if (kind === "add") {
          queue.add(item, priority);
          oracle.set(item, priority);
        } else if (kind === "remove") {
          queue.remove(item);
          oracle.delete(item);
        } else queue.rotate();
        const head = queue.peek();
        expect(head === undefined).toBe(oracle.size === 0);
        if (head !== undefined) expect(oracle.has(head)).toBe(true);
        expect(queue.size).toBe(oracle.size);
        for (let i = 0; i <= 30; i += 1) expect(queue.has(i)).toBe(oracle.has(i));
      }
      const served = new Set<number>();
      for (let head = queue.peek(); head !== undefined; head = queue.peek()) {
        expect(served.has(head)).toBe(false);
        served.add(head);
        queue.remove(head);
      }
      expect(served.size).toBe(oracle.size);
    }),
  );
});
