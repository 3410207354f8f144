import type { PathInfo } from "kwik/browser";
import type { ListedServer } from "../listing.ts";
import { formatBytes, formatRate } from "./quantity.ts";

/** What one server gives: its bar, its numbers, and the button that kills it. */
export class ServerRow {
  readonly element: HTMLElement;
  readonly #server: ListedServer;
  #isKilled = false;

  constructor(server: ListedServer, template: HTMLTemplateElement) {
    this.#server = server;
    this.element = (template.content.cloneNode(true) as DocumentFragment).firstElementChild as HTMLElement;
    this.element.dataset["server"] = server.name;
    this.#part("name").textContent = `Server ${server.name}`;
    this.#part("address").textContent = server.address;
    this.#part("bar").setAttribute("aria-label", `Share of server ${server.name}`);
    const button = this.#part("kill") as HTMLButtonElement;
    button.setAttribute("aria-label", `Kill server ${server.name}`);
    button.addEventListener("click", () => {
      button.disabled = true;
      void this.#kill();
    });
  }

  /** Shows what the session's paths to this server did; the bar is what it gave of `fileBytes`. */
  show(paths: readonly PathInfo[], fileBytes: number): void {
    const own = paths.filter((path) => path.address === this.#server.address);
    const last = own.at(-1);
    if (last === undefined) return;
    const bytes = own.reduce((sum, path) => sum + path.bytesReceived, 0);
    setBar(this.#part("bar"), bytes / fileBytes);
    const rate = last.state === "active" ? `, ${formatRate(last.receiveRate)}` : "";
    this.#part("numbers").textContent = `${formatBytes(bytes)}${rate}`;
    this.#part("state").textContent = this.#isKilled ? "killed" : `${last.state} over ${last.transport}`;
    this.element.dataset["bytes"] = String(bytes);
  }

  async #kill(): Promise<void> {
    const { ok } = await fetch(`/kill?server=${encodeURIComponent(this.#server.name)}`, { method: "POST" });
    if (!ok) return;
    this.#isKilled = true;
    this.#part("state").textContent = "killed";
    this.element.classList.add("gone");
  }

  #part(name: string): HTMLElement {
    return this.element.querySelector(`.${name}`) as HTMLElement;
  }
}

/** `share` is from 0 to 1. */
export function setBar(bar: HTMLElement, share: number): void {
  const percent = Math.min(100, 100 * share);
  bar.style.setProperty("--filled", `${percent}%`);
  bar.setAttribute("aria-valuenow", percent.toFixed(0));
}
