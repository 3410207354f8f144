import type { IncomingMessage } from "node:http";
import type { RefusalReason, WebRules } from "@kwik/core";
import { SUBPROTOCOL } from "./limits.ts";

/** An HTTP answer that says no. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
  /** For the server's notices, where its operator may want to know. */
  readonly notice?: string;
  /** What it counts as, if not as a failed handshake. */
  readonly reason?: RefusalReason;
}

/** What a request that wants a WebSocket is refused with, if it is. */
export function refusalOfUpgrade(request: IncomingMessage, rules: WebRules): Refusal | undefined {
  const { origin, host } = request.headers;
  if (pathOf(request) !== rules.path) return { status: 404, text: portText(rules.path) };
  if (!offeredProtocols(request).includes(SUBPROTOCOL)) return { status: 400, text: portText(rules.path) };
  if (origin !== undefined && !rules.allowsOrigin(origin, host)) {
    return {
      status: 403,
      text: "Pages of this origin may not connect here.\n",
      notice: "pages of its origin may not connect (allowOrigin)",
      reason: "origin",
    };
  }
  return undefined;
}

/** What any other request is answered with. */
export function answerToRequest(request: IncomingMessage, path: string): Refusal {
  return { status: pathOf(request) === path ? 426 : 404, text: portText(path) };
}

function portText(path: string): string {
  return `This port serves kwik: WebSocket with subprotocol ${SUBPROTOCOL} at ${path}, and nothing else.\n`;
}

/** The path of a request, without its query: gateways add some. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").replace(/\?.*$/s, "");
}

function offeredProtocols(request: IncomingMessage): string[] {
  return (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
}
