// node --import kwik/register app.js: connections that KWIK_ROUTE names go over kwik. Without it nothing changes.
import { dialOptionsFrom, parseRouteRules, routeConnections } from "@kwik/sockets";

const rules = parseRouteRules(process.env["KWIK_ROUTE"] ?? "");
if (rules.length > 0) {
  // Loaded with the first connection: many processes of a program make none.
  routeConnections(async (target, options) => (await import("./dial.ts")).dial(target, options), rules, dialOptionsFrom(process.env));
}
