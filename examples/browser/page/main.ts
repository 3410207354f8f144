import { type ClientSession, dial } from "kwik/browser";
import type { Listing } from "../listing.ts";
import { fetchFile } from "./fetch-file.ts";
import { formatBytes, formatRate } from "./quantity.ts";
import { ServerRow, setBar } from "./server-row.ts";

/** How often the bars are drawn, in milliseconds. */
const REFRESH_MS = 100;

const element = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;
const start = element("start") as HTMLButtonElement;

const listing = (await (await fetch("/listing.json")).json()) as Listing;
const { file, servers } = listing;
const rows = servers.map((server) => new ServerRow(server, element("server-row") as HTMLTemplateElement));
element("servers").append(...rows.map((row) => row.element));
element("file").textContent = `${file.name}, ${formatBytes(file.bytes)}`;
start.addEventListener("click", () => {
  start.disabled = true;
  download().catch((error: unknown) => say("failed", `It failed: ${error instanceof Error ? error.message : String(error)}`));
});
start.disabled = false;

/** One session over all servers; whichever of them answers first begins it. */
async function download(): Promise<void> {
  say("running", "Connecting");
  const began = performance.now();
  await using session = await dialFirst();
  let bytes = 0;
  const show = (): void => showProgress(session, bytes, performance.now() - began);
  const timer = setInterval(show, REFRESH_MS);
  try {
    say("running", "Downloading");
    const content = await fetchFile(session, file.name, (count) => (bytes = count));
    bytes = content.length;
    const seconds = (performance.now() - began) / 1000;
    await finish(content, seconds);
  } finally {
    clearInterval(timer);
    show();
  }
}

/** The servers are believed by their very certificates: each made its own when it started. */
async function dialFirst(): Promise<ClientSession> {
  const urls = servers.map((server) => `kwik://${server.address}`);
  const certificates = servers.map((server) => server.certificate);
  for (const [index, url] of urls.entries()) {
    try {
      return await dial(url, { servers: urls.filter((other) => other !== url), trust: { certificates } });
    } catch (error) {
      if (index === urls.length - 1) throw error;
    }
  }
  throw new Error("there is no server");
}

async function finish(content: Uint8Array<ArrayBuffer>, seconds: number): Promise<void> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const digest = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  element("digest").textContent = digest;
  if (digest !== file.sha256) throw new Error("the file has another SHA-256 than was listed");
  const rate = formatRate(content.length / seconds);
  say("done", `Complete: ${formatBytes(content.length)} in ${seconds.toFixed(1)} s, ${rate}. Its SHA-256 is as listed:`);
  const link = element("save") as HTMLAnchorElement;
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = file.name;
  link.hidden = false;
}

function showProgress(session: ClientSession, bytes: number, ms: number): void {
  const { paths } = session.stats();
  for (const row of rows) row.show(paths, file.bytes);
  setBar(element("total"), bytes / file.bytes);
  const rate = formatRate((1000 * bytes) / Math.max(ms, 1));
  element("progress").textContent = `${formatBytes(bytes)} of ${formatBytes(file.bytes)}, ${rate} on average`;
}

/** The state is for those who watch the page by program. */
function say(state: "running" | "done" | "failed", text: string): void {
  element("status").textContent = text;
  document.body.dataset["state"] = state;
}
