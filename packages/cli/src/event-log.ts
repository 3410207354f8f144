import { formatBytes } from "./byte-size.ts";

/** How events are written. */
export type LogForm = "text" | "json";

/** Writes what happens to standard error, one line each. */
export class EventLog {
  readonly #form: LogForm;
  readonly #name: string | undefined;

  constructor(form: LogForm, name: string | undefined) {
    this.#form = form;
    this.#name = name;
  }

  /** An event with its fields; as JSON with `time` in front. */
  event<T extends { readonly type: string }>({ type, ...fields }: T): void {
    if (this.#form === "json") this.#json(type, fields);
    else this.#text([type, ...Object.entries(fields).map(([key, value]) => wordOf(key, value))].join(" "));
  }

  /** A sentence for people; in JSON the field `message` of a `notice`. */
  notice(message: string): void {
    if (this.#form === "json") this.#json("notice", { message });
    else this.#text(message);
  }

  #json(type: string, fields: object): void {
    const name = this.#name === undefined ? {} : { name: this.#name };
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), type, ...name, ...fields })}\n`);
  }

  #text(text: string): void {
    process.stderr.write(`kwik${this.#name === undefined ? "" : ` (${this.#name})`}: ${printable(text)}\n`);
  }
}

function wordOf(key: string, value: unknown): string {
  if (key.endsWith("Bytes") && typeof value === "number") return `${key.slice(0, -5)}=${formatBytes(value).replace(" ", "")}`;
  const text = typeof value === "string" ? value : Array.isArray(value) ? value.join(",") : JSON.stringify(value);
  return `${key}=${/[\s"]/.test(text) ? JSON.stringify(text) : text}`;
}

/** Names of targets come from elsewhere: nothing in them may steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
