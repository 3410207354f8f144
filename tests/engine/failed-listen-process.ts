// Listens where somebody does, over QUIC, and does nothing else: the process has to end by itself.
import { listen } from "kwik";

const first = await listen("kwik+quic://127.0.0.1:0", { tls: "self-signed" });
const second: unknown = await listen(`kwik+quic://${first.address}`, { tls: "self-signed" }).catch((error: unknown) => error);
process.stdout.write((second as { code?: string }).code ?? "listening twice");
await first.close();
