/** What a client signs with its session key when it joins. */
export interface JoinStatement {
  /** 32 hex digits. */
  readonly sessionId: string;
  readonly pathId: number;
  readonly memberId: number;
  /** The server that is joined, "sha256:<hex of SPKI>"; empty if not known. */
  readonly identity: string;
  /** Empty for a join without ticket. */
  readonly ticket: string;
}

/**
 * The bytes that a join's proof is a signature over: a label, then each field as its length (4 bytes, big-endian) and its UTF-8 text,
 * numbers as decimal text. No two different statements have equal bytes, and no other signature of kwik begins alike.
 */
export function joinTranscript(statement: JoinStatement): Uint8Array {
  const text = new TextEncoder();
  const fields = [
    text.encode("kwik join proof v1"),
    text.encode(statement.sessionId),
    text.encode(String(statement.pathId)),
    text.encode(String(statement.memberId)),
    text.encode(statement.identity),
    text.encode(statement.ticket),
  ];
  const bytes = new Uint8Array(fields.reduce((sum, field) => sum + 4 + field.length, 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const field of fields) {
    view.setUint32(offset, field.length);
    bytes.set(field, offset + 4);
    offset += 4 + field.length;
  }
  return bytes;
}
