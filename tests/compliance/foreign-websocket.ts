import WebSocket from "ws";

export interface WebSocketOffer {
  /** Default "/kwik". */
  readonly path?: string;
  /** Default "kwik.1". */
  readonly protocol?: string;
  readonly origin?: string;
  readonly host?: string;
}

export interface ForeignWebSocket {
  readonly ws: WebSocket;
  /** "open", or the HTTP status that refused it. */
  readonly outcome: Promise<string>;
  close(): void;
}

/** A WebSocket of somebody else's making, to this machine. */
export function offerWebSocket(port: number, { path, protocol, origin, host }: WebSocketOffer = {}): ForeignWebSocket {
  const ws = new WebSocket(`wss://127.0.0.1:${port}${path ?? "/kwik"}`, protocol ?? "kwik.1", {
    rejectUnauthorized: false,
    headers: host === undefined ? {} : { host },
    ...(origin === undefined ? {} : { origin }),
  });
  ws.on("error", () => undefined);
  const outcome = new Promise<string>((resolve) => {
    ws.once("unexpected-response", (_request, response) => resolve(String(response.statusCode)));
    ws.once("open", () => resolve("open"));
  });
  return { ws, outcome, close: () => ws.terminate() };
}
