/** One value of a metric, with its labels. */
export type MetricValue = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Writes metrics in the text format of Prometheus. */
export class MetricText {
  readonly #common: Readonly<Record<string, string>>;
  #text = "";

  /** `common` labels stand at every value. */
  constructor(common: Readonly<Record<string, string>>) {
    this.#common = common;
  }

  gauge(name: string, help: string, values: number | readonly MetricValue[]): this {
    return this.#add(name, "gauge", help, values);
  }

  counter(name: string, help: string, values: number | readonly MetricValue[]): this {
    return this.#add(name, "counter", help, values);
  }

  toString(): string {
    return this.#text;
  }

  #add(name: string, type: string, help: string, values: number | readonly MetricValue[]): this {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    const rows: readonly MetricValue[] = typeof values === "number" ? [[{}, values]] : values;
    for (const [labels, value] of rows) this.#text += `${name}${labelText({ ...this.#common, ...labels })} ${value}\n`;
    return this;
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
