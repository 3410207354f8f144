/** An IP address as its bytes in network order: 4 or 16. */
export type IpBytes = Uint8Array;

/**
 * Reads an IP address the way operating systems do, which is wider than the usual notation: "127.1", "0x7f.1", "2130706433" and
 * "0177.0.0.1" are all 127.0.0.1 to a resolver. IPv6 may carry a zone ("fe80::1%eth0") and stand in brackets.
 * Answers undefined for anything else, names included.
 */
export function parseIp(text: string): IpBytes | undefined {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  return bare.includes(":") ? parseIpv6(bare) : parseLooseIpv4(bare);
}

/** Whether a host would be taken for a number by some resolver: its last label is decimal or hexadecimal. */
export function looksNumeric(host: string): boolean {
  const last = host.replace(/\.$/, "").split(".").pop() ?? "";
  return /^(?:\d+|0x[0-9a-f]*)$/i.test(last);
}

function parseLooseIpv4(text: string): IpBytes | undefined {
  const parts = text.split(".");
  if (parts.length > 4) return undefined;
  const values: number[] = [];
  for (const part of parts) {
    const value = parseLooseNumber(part);
    if (value === undefined) return undefined;
    values.push(value);
  }
  // The last part fills all bytes that the others leave.
  const tail = values.pop() as number;
  if (tail >= 256 ** (4 - values.length) || values.some((value) => value > 255)) return undefined;
  const bytes = new Uint8Array(4);
  bytes.set(values);
  for (let i = 3, rest = tail; i >= values.length; i -= 1, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

function parseLooseNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]{0,12}$/i.test(text)) return text.length === 2 ? 0 : Number.parseInt(text.slice(2), 16);
  if (/^0[0-7]{1,15}$/.test(text)) return Number.parseInt(text, 8);
  if (/^(?:0|[1-9]\d{0,14})$/.test(text)) return Number(text);
  return undefined;
}

function parseIpv6(text: string): IpBytes | undefined {
  const percent = text.indexOf("%");
  const address = percent < 0 ? text : text.slice(0, percent);
  if (percent === text.length - 1) return undefined;
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const length = head.length + tail.length;
  if (halves.length === 2 ? length > 14 : length !== 16) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** The bytes of colon-separated groups; the last may be a dotted IPv4 address if `endsAddress`. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (group.includes(".")) {
      const dotted = endsAddress && index === groups.length - 1 ? parseDottedIpv4(group) : undefined;
      if (dotted === undefined) return undefined;
      bytes.push(...dotted);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    }
  }
  return bytes.length > 16 ? undefined : bytes;
}

function parseDottedIpv4(text: string): number[] | undefined {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return undefined;
  const values = text.split(".").map(Number);
  return values.some((value) => value > 255) ? undefined : values;
}
