import { KwikError } from "./errors.ts";

/** What an option may be; an object names its own parts. */
export type OptionKind = "string" | "boolean" | "function" | "count" | "object" | "list" | OptionShape;
export type OptionKinds = OptionKind | readonly OptionKind[];
export interface OptionShape {
  readonly [name: string]: OptionKinds;
}

/**
 * Throws INVALID_ARGUMENT for options that the shape does not know, or of another kind: with whose they are, the name of the option, and what it may be. A count is a
 * number that is not negative, Infinity included. Undefined stands for the default.
 */
export function checkOptions(owner: string, options: unknown, shape: OptionShape): void {
  checkShape(owner, "", options, shape);
}

function checkShape(owner: string, path: string, value: unknown, shape: OptionShape): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refusal(owner, `${path === "" ? "the options are" : `${path} is`} an object, not ${describe(value)}`);
  }
  for (const [name, part] of Object.entries(value)) {
    const kinds = Object.hasOwn(shape, name) ? shape[name] : undefined;
    const place = path === "" ? name : `${path}.${name}`;
    if (kinds === undefined) throw refusal(owner, `there is no ${place}; there are ${Object.keys(shape).join(", ")}`);
    if (part !== undefined) checkPart(owner, place, part, Array.isArray(kinds) ? kinds : [kinds as OptionKind]);
  }
}

function checkPart(owner: string, place: string, part: unknown, kinds: readonly OptionKind[]): void {
  if (kinds.some((kind) => typeof kind === "string" && isOfKind(part, kind))) return;
  const shape = kinds.find((kind) => typeof kind === "object");
  if (shape !== undefined && typeof part === "object") {
    checkShape(owner, place, part, shape);
    return;
  }
  throw refusal(
    owner,
    `${place} is ${kinds.map((kind) => WORDS[typeof kind === "string" ? kind : "object"]).join(" or ")}, not ${describe(part)}`,
  );
}

const WORDS = {
  string: "a string",
  boolean: "true or false",
  function: "a function",
  count: "a number, not negative",
  object: "an object",
  list: "an array",
} as const;

function isOfKind(value: unknown, kind: keyof typeof WORDS): boolean {
  if (kind === "list") return Array.isArray(value);
  // Infinity is "without a bound".
  if (kind === "count") return typeof value === "number" && value >= 0;
  if (kind === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === kind;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  return typeof value === "number" || typeof value === "boolean" ? String(value) : `a value of type ${typeof value}`;
}

/** A refusal in the words of whose options they are. */
export function refusal(owner: string, what: string): KwikError {
  return new KwikError("INVALID_ARGUMENT", `${owner}: ${what}`);
}
