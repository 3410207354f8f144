import { execFile } from "node:child_process";
import { type Running, startKwik } from "./kwik-process.ts";

/** A `kwik gateway` or `kwik relay` process that is ready. */
export interface GatewayProcess extends Running {
  /** "kwik://host:port" */
  readonly url: string;
  /** "sha256:…" */
  readonly identity: string;
}

/** A `kwik proxy` process that is ready: where its listeners are, in the order of SOCKS5, HTTP, forwards as asked for. */
export interface ProxyProcess extends Running {
  readonly listeners: readonly { readonly kind: string; readonly address: string; readonly target?: string }[];
}

/** Starts `kwik gateway` at any free port of the loopback. */
export async function startGateway(...flags: string[]): Promise<GatewayProcess> {
  const address = flags.includes("--listen") || flags.includes("--config") ? [] : ["--listen", "127.0.0.1:0"];
  const running = startKwik(["gateway", ...address, ...flags, "--json"]);
  const { url, identity } = JSON.parse(await firstLine(running)) as { url: string; identity: string };
  return { ...running, url, identity };
}

/** Starts `kwik relay` at any free port of the loopback. */
export async function startRelay(...flags: string[]): Promise<GatewayProcess> {
  const address = flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const running = startKwik(["relay", ...address, ...flags, "--json"]);
  const { url, identity } = JSON.parse(await firstLine(running)) as { url: string; identity: string };
  return { ...running, url, identity };
}

/** Starts `kwik proxy` with the keys of its gateways pinned. */
export async function startProxy(gateways: readonly Pick<GatewayProcess, "url" | "identity">[], ...flags: string[]): Promise<ProxyProcess> {
  const pins = gateways.flatMap((gateway) => ["--pin", gateway.identity]);
  const running = startKwik(["proxy", ...gateways.map((gateway) => gateway.url), ...pins, ...flags, "--json"]);
  const { listeners } = JSON.parse(await firstLine(running)) as Pick<ProxyProcess, "listeners">;
  return { ...running, listeners };
}

/** The address of the first listener of a kind. */
export function addressOf(proxy: ProxyProcess, kind: string): string {
  const found = proxy.listeners.find((listener) => listener.kind === kind);
  if (found === undefined) throw new Error(`no listener of kind ${kind}`);
  return found.address;
}

/** What `curl` did: its status, and what it wrote. */
export interface Curled {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function curl(...args: string[]): Promise<Curled> {
  return new Promise((resolve) => {
    execFile("curl", ["-sS", "-m", "20", "--noproxy", "", ...args], { encoding: "latin1", maxBuffer: 64e6 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : typeof error.code === "number" ? error.code : 1, stdout, stderr });
    });
  });
}

/** Resolves when a process has written `text` to standard error. */
export function says(running: Running, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (!running.said().includes(text)) return;
      running.child.stderr?.off("data", look);
      resolve();
    };
    running.child.stderr?.on("data", look);
    void running.outcome.then(() => reject(new Error(`it ended without saying "${text}": ${running.said()}`)));
    look();
  });
}

function firstLine(running: Running): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    running.child.stdout?.on("data", (data: Buffer) => {
      said += data.toString();
      const end = said.indexOf("\n");
      if (end >= 0) resolve(said.slice(0, end));
    });
    void running.outcome.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
  });
}
