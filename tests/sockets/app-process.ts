// A program that knows nothing of kwik: asks for each URL of its arguments in several ways, and prints one line of JSON.
import { once } from "node:events";
import http from "node:http";
import net, { Socket, createConnection } from "node:net";
import { pathToFileURL } from "node:url";

/** What `app-process` prints. */
export interface AppReport {
  readonly fetched: string;
  readonly got: string;
  readonly raw: string;
  readonly later: string;
  readonly peer: string;
  readonly isSocket: boolean;
  readonly refused: string;
  readonly notFound: string;
  readonly untouched: string;
}

async function codeOf(host: string, port: number): Promise<string> {
  const [error] = (await once(net.connect(port, host), "error")) as [NodeJS.ErrnoException];
  return `${error.code} ${error.syscall}`;
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const part of stream) text += String(part);
  return text;
}

const REQUEST = "GET /raw HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

async function report(name: string, port: number, elsewhere: number): Promise<AppReport> {
  const [response] = (await once(http.get(`http://${name}:${port}/got`, { agent: false }), "response")) as [http.IncomingMessage];
  const got = await textOf(response);
  const fetched = await fetch(`http://${name}:${port}/fetched`, { headers: { connection: "close" } }).then((answer) => answer.text());
  const socket = createConnection({ host: name, port, allowHalfOpen: true });
  socket.end(REQUEST);
  await once(socket, "connect");
  const { remoteAddress, remotePort } = socket;
  const raw = await textOf(socket);
  // As some database clients do it.
  const unconnected = new Socket();
  const connected = once(unconnected, "connect");
  unconnected.connect(port, name);
  await connected;
  unconnected.write(REQUEST);
  return {
    fetched,
    got,
    raw: raw.slice(0, 15),
    later: (await textOf(unconnected)).slice(0, 15),
    peer: `${remoteAddress}:${remotePort}`,
    isSocket: socket instanceof Socket,
    refused: await codeOf(name, 1),
    notFound: await codeOf("no-such-host.invalid", port),
    untouched: await fetch(`http://127.0.0.1:${elsewhere}/`, { headers: { connection: "close" } }).then((answer) => answer.text()),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [, , name = "", port, elsewhere] = process.argv;
  process.stdout.write(JSON.stringify(await report(name, Number(port), Number(elsewhere))));
}
