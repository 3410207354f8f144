import { expect, test } from "vitest";
import { runSoak } from "./run-soak.ts";

/** The short form of npm run soak; a leak of a session or stream shows in the long one. */
test("sessions and streams over each transport come and go, every byte right, and nothing stays open", async () => {
  const { tally, violations, rows } = await runSoak({ sessions: 30, streams: 600, waves: 2 });
  expect(violations).toEqual([]);
  expect([tally.of("sessions"), tally.of("streams")]).toEqual([30, 600]);
  expect(
    tally
      .group("over ")
      .map(([transport]) => transport)
      .sort(),
  ).toEqual(["quic", "tcp", "websocket"]);
  expect(rows).toHaveLength(2);
}, 120_000);
