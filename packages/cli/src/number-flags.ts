import { InvalidArgumentError } from "commander";

/** Reads a number of seconds, 0 to a day. */
export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 86_400) return value;
  throw new InvalidArgumentError("Write a number of seconds, 0 to 86400.");
}

/** Reads a whole number from 1 up. */
export function count(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("Write a whole number, 1 or more.");
}
