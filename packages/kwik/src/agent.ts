/** Name and version, for the other side's logs. */
export const AGENT = "kwik/0.1.0";
