/** How a connection writes payloads. */
export type PayloadForm = "plain" | "escaped" | "length";

export const payloadForms: readonly PayloadForm[] = ["plain", "escaped", "length"];

/**
 * LINE-10: ids of a server that knows FORM end like this. An old server gets and gives exactly the lines it always did, because the mark
 * hides in the one field that clients send back unread.
 */
export const FORMS_MARK = "-forms";

export function isPayloadForm(text: string): text is PayloadForm {
  return (payloadForms as readonly string[]).includes(text);
}
