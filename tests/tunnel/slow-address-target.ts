// A target that has room for two connections that it has not taken. Says its port.
import { type AddressInfo, createServer } from "node:net";

const server = createServer((socket) => socket.resume().on("error", () => undefined));
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => process.send?.({ port: (server.address() as AddressInfo).port }));
