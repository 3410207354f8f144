import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addressOf, curl, type GatewayProcess, startGateway, startProxy } from "./gateway-process.ts";
import { issueCluster, kill, testFolder } from "./kwik-process.ts";

const folder = testFolder();
let target: Server;
let port = 0;

beforeAll(async () => {
  target = createServer((request, response) => response.end(`GET ${request.url ?? ""}`));
  // What comes over a connection that is no HTTP goes back.
  target.on("upgrade", (_request, socket: Socket, head: Buffer) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    socket.write(head);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  port = (target.address() as AddressInfo).port;
  await issueCluster(join(folder, "cluster"), ["a", "b"]);
}, 30_000);

afterAll(() => target.close());

function gatewayOfCluster(name: string, ...flags: string[]): Promise<GatewayProcess> {
  const issued = join(folder, "cluster", name);
  const identity = ["--cert", join(issued, "server.pem"), "--key", join(issued, "server.key"), "--cluster", join(issued, "cluster.json")];
  return startGateway(...identity, "--name", name, "--allow", `127.0.0.1:${port}`, ...flags);
}

/** A connection that gives back what it is given. */
class Echo {
  readonly #socket: Socket;
  #heard = "";
  isOver = false;

  constructor(address: string) {
    const [host = "", to = ""] = address.split(":");
    this.#socket = createConnection(Number(to), host);
    this.#socket.on("data", (data: Buffer) => (this.#heard += data.toString("latin1")));
    this.#socket.on("close", () => (this.isOver = true)).on("error", () => undefined);
    this.#socket.write("GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
  }

  say(text: string): void {
    this.#socket.write(text);
  }

  get heard(): string {
    return this.#heard.split("\r\n\r\n")[1] ?? "";
  }

  end(): void {
    this.#socket.end();
  }
}

// spec: RESUME-1, RESUME-5
test("a connection outlives its gateway's standing still, and nothing of it is lost or doubled", async () => {
  const gateway = await gatewayOfCluster("a");
  const proxy = await startProxy([gateway], "-L", `0:127.0.0.1:${port}`);
  const echo = new Echo(addressOf(proxy, "forward"));
  echo.say("before ");
  await expect.poll(() => echo.heard).toBe("before ");
  gateway.child.kill("SIGSTOP");
  echo.say("meanwhile ");
  await expect.poll(proxy.said).toContain("suspended");
  gateway.child.kill("SIGCONT");
  await expect.poll(() => echo.heard).toBe("before meanwhile ");
  echo.say("after");
  await expect.poll(() => echo.heard).toBe("before meanwhile after");
  expect(proxy.said()).toContain("resumed");
  expect(proxy.said()).not.toContain("session-lost");
  echo.end();
  await Promise.all([kill(proxy), kill(gateway)]);
}, 60_000);

// spec: DRAIN-1, DRAIN-2, DRAIN-4
test("a gateway that is stopped sends its proxies to another: what is open stays, and no new connection is lost", async () => {
  const second = await gatewayOfCluster("b");
  const first = await gatewayOfCluster("a", "--grace", "600", "--replacement", `${new URL(second.url).host}#${second.identity}`);
  const proxy = await startProxy([first], "-L", `0:127.0.0.1:${port}`);
  const address = addressOf(proxy, "forward");
  const echo = new Echo(address);
  echo.say("one ");
  await expect.poll(() => echo.heard).toBe("one ");
  first.child.kill("SIGTERM");
  await expect.poll(second.said).toContain("session ");
  for (let i = 0; i < 5; i += 1) expect(await curl(`http://${address}/${i}`)).toMatchObject({ status: 0, stdout: `GET /${i}` });
  echo.say("two");
  await expect.poll(() => echo.heard).toBe("one two");
  echo.end();
  const { status, stderr } = await first.outcome;
  expect(status, stderr).toBe(0);
  expect(await curl(`http://${address}/later`)).toMatchObject({ status: 0, stdout: "GET /later" });
  expect(proxy.said()).not.toContain("session-lost");
  await Promise.all([kill(proxy), kill(second)]);
}, 60_000);

// spec: RESUME-6
test("connections of a gateway that was started anew end at once, and new ones are made over it in the same session", async () => {
  const gateway = await gatewayOfCluster("a");
  const proxy = await startProxy([gateway], "-L", `0:127.0.0.1:${port}`);
  const address = addressOf(proxy, "forward");
  const echo = new Echo(address);
  echo.say("one");
  await expect.poll(() => echo.heard).toBe("one");
  await kill(gateway);
  const again = await gatewayOfCluster("a", "--listen", new URL(gateway.url).host);
  await expect.poll(() => echo.isOver).toBe(true);
  expect(await curl(`http://${address}/new`)).toMatchObject({ status: 0, stdout: "GET /new" });
  expect(proxy.said()).not.toContain("session-lost");
  await Promise.all([kill(proxy), kill(again)]);
}, 60_000);
