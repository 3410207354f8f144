import type { RunRecord } from "../contenders/run-record.ts";

type Field = string | number | readonly number[] | readonly string[] | undefined;

/** Columns of the CSV, in order: name, how to write it, how to read it. */
const COLUMNS: readonly (readonly [keyof RunRecord, "text" | "number" | "numbers" | "texts", digits?: number])[] = [
  ["cell", "text"],
  ["contender", "text"],
  ["direction", "text"],
  ["repeat", "number", 0],
  ["bytes", "number", 0],
  ["seconds", "number", 3],
  ["megabitsPerSecond", "number", 2],
  ["connectMs", "number", 1],
  ["firstByteMs", "number", 1],
  ["longestGapMs", "number", 1],
  ["gapAtMs", "number", 0],
  ["lastTwentiethMs", "number", 1],
  ["lineBytes", "numbers", 0],
  ["duplicateBytes", "number", 0],
  ["worstRoundTripMs", "numbers", 1],
  ["usualRoundTripMs", "numbers", 1],
  ["cpuSeconds", "number", 2],
  ["recoveredMs", "number", 0],
  ["besideMegabitsPerSecond", "number", 2],
  ["flags", "texts"],
  ["failure", "text"],
];

/** All runs as CSV with a head, one row each. What contenders tell of their paths is left out. */
export function csvOf(records: readonly RunRecord[]): string {
  const rows = records.map((record) => COLUMNS.map(([name, , digits]) => quoted(textOf(record[name], digits ?? 0))).join(","));
  return `${[COLUMNS.map(([name]) => name).join(","), ...rows].join("\n")}\n`;
}

/** Reads what `csvOf` has written; rows that it would not write are left out. */
export function recordsOf(csv: string): RunRecord[] {
  const [head, ...rows] = parsed(csv);
  if (head === undefined || head.join(",") !== COLUMNS.map(([name]) => name).join(",")) return [];
  return rows
    .filter((row) => row.length === COLUMNS.length)
    .map((row) => {
      const record: Record<string, Field> = { events: [] };
      for (const [index, [name, kind]] of COLUMNS.entries()) {
        const text = row[index] ?? "";
        if (kind === "numbers") record[name] = text === "" ? [] : text.split(" ").map(Number);
        else if (kind === "texts") record[name] = text === "" ? [] : text.split("; ");
        else if (text !== "") record[name] = kind === "number" ? Number(text) : text;
      }
      return record as unknown as RunRecord;
    });
}

function textOf(value: Field, digits: number): string {
  if (value === undefined) return "";
  if (typeof value === "number") return value.toFixed(digits);
  if (typeof value === "string") return value;
  return typeof value[0] === "number" ? (value as readonly number[]).map((one) => one.toFixed(digits)).join(" ") : value.join("; ");
}

function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""').replaceAll("\n", " ")}"` : text;
}

function parsed(csv: string): string[][] {
  return csv
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].slice(0, COLUMNS.length).map((match) => unquoted(match[1] ?? "")));
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}
