import type { BrowserContext, Page } from "playwright-core";
import type { PageVerbs } from "./session-page.ts";

type Verb = keyof PageVerbs;
type Parameters<V extends Verb> = globalThis.Parameters<PageVerbs[V]>;
type Result<V extends Verb> = Awaited<ReturnType<PageVerbs[V]>>;

/** A tab in which kwik runs, and what a test makes it do. */
export class KwikTab {
  readonly #tab: Page;

  private constructor(tab: Page) {
    this.#tab = tab;
  }

  /** `origin` serves the bundle of session-page.ts. */
  static async open(context: BrowserContext, origin: string): Promise<KwikTab> {
    const tab = await context.newPage();
    await tab.goto(origin);
    return new KwikTab(tab);
  }

  do<V extends Verb>(verb: V, ...parameters: Parameters<V>): Promise<Result<V>> {
    return this.#tab.evaluate(`call(${JSON.stringify({ verb, parameters })})`);
  }

  /** The same in a worker of its own. */
  doInWorker(...calls: readonly { readonly verb: Verb; readonly parameters: readonly unknown[] }[]): Promise<unknown[]> {
    return this.#tab.evaluate(`inWorker(${JSON.stringify(calls)})`);
  }

  /** What the page calls at the half of a download. */
  async onHalf(callback: () => void): Promise<void> {
    await this.#tab.exposeFunction("half", callback);
  }

  close(): Promise<void> {
    return this.#tab.close();
  }
}
