// Sessions one after the other, which stay: TEST_COUNT of them over TEST_TRANSPORT. Tells how each dial went.
import { dial, isKwikError, type TransportName } from "kwik";

process.on("disconnect", () => process.exit(0));
const outcomes: string[] = [];
for (let i = 0; i < Number(process.env["TEST_COUNT"]); i += 1) {
  try {
    await dial(process.env["TEST_URL"] ?? "", {
      trust: { pins: [process.env["TEST_PIN"] ?? ""] },
      transport: process.env["TEST_TRANSPORT"] as TransportName,
    });
    outcomes.push("dialled");
  } catch (error) {
    outcomes.push(isKwikError(error) ? error.code : String(error));
  }
}
process.send?.({ outcomes });
