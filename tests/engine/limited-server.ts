// A kwik server in a process of its own, with the limits in TEST_LIMITS. Tells its address; answers any message with what it refused.
import { listen } from "kwik";

const limits = JSON.parse(process.env["TEST_LIMITS"] ?? "{}") as Record<string, number>;
const listener = await listen(`${process.env["TEST_HOST"]}:0`, { tls: "self-signed", limits });

process.on("disconnect", () => process.exit(0));
process.on("message", () => process.send?.({ refusals: listener.stats().refusals }));
process.send?.({ url: listener.url, identity: listener.identity });
