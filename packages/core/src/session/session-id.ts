/** A session's id as text: 32 hex digits. */
export function sessionIdText(id: Uint8Array): string {
  let text = "";
  for (const byte of id) text += byte.toString(16).padStart(2, "0");
  return text;
}
