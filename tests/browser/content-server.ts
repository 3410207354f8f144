// A server in a process of its own that has one content. Run with the key of its cluster's tickets and the content's size in the environment.
import { patternBytes } from "@kwik/testkit";
import { listen } from "kwik";

const size = Number(process.env["TEST_BYTES"]);
const data = patternBytes(1, 0, size);
const source = {
  id: "film",
  version: "1",
  length: BigInt(size),
  read: async (offset: bigint, length: number) => data.slice(Number(offset), Number(offset) + length),
};
const listener = await listen("0.0.0.0:0", {
  tls: "self-signed",
  web: true,
  cluster: { ticketVerifyKeys: [process.env["TEST_TICKET_KEY"] ?? ""] },
  content: { open: async (id) => (id === source.id ? source : undefined) },
});
process.send?.({ address: listener.address, identity: listener.identity, certificate: listener.certificate });
process.on("disconnect", () => process.exit(0));
