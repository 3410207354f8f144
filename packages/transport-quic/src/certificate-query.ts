import { KwikError } from "@kwik/core";
import type { Link } from "@kwik/core";

/** "KWIK", version 1, kind 2: the first bytes of a carrier that asks for the server's certificate chain. */
export const QUERY_PREAMBLE: Uint8Array = Uint8Array.of(0x4b, 0x57, 0x49, 0x4b, 0x01, 0x02);

/** A chain larger than this is refused, in bytes. */
const MAX_CHAIN_BYTES = 64 * 1024;

const LENGTH_BYTES = 4;

/** The answer to a query: the length in four bytes, big-endian, then the chain in PEM. */
export function queryAnswer(chainPem: string): Uint8Array {
  const pem = Buffer.from(chainPem);
  const answer = new Uint8Array(LENGTH_BYTES + pem.length);
  new DataView(answer.buffer).setUint32(0, pem.length);
  answer.set(pem, LENGTH_BYTES);
  return answer;
}

/**
 * Asks the server of a link that nothing else uses for its chain. What it answers proves nothing by itself: it becomes true when a second
 * connection succeeds under it.
 */
export function queryCertificate(link: Link, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const where = link.properties.remoteAddress;
    const timer = setTimeout(() => lose("it did not show its certificate in time"), timeoutMs);
    const fail = (what: string): void => {
      clearTimeout(timer);
      reject(new KwikError("NOT_KWIK", `${where} does not answer like a kwik server: ${what}`));
    };
    // It agreed to speak kwik, and then stopped, died, or could not be reached any more.
    const lose = (what: string): void => {
      clearTimeout(timer);
      reject(new KwikError("UNREACHABLE", `${where} cannot be dialled: ${what}`, { remote: true }));
    };
    link.attach({
      onCarrier: (carrier) => carrier.reset(0),
      onDatagram: () => undefined,
      onClose: ({ reason }) => lose(`it closed the connection before it had shown its certificate${reason === "" ? "" : ` (${reason})`}`),
      onBatchEnd: () => undefined,
    });
    const carrier = link.openCarrier();
    if (carrier === undefined) {
      fail("no stream could be opened");
      return;
    }
    let answer = Buffer.alloc(0);
    carrier.receiver = {
      onData: (data) => {
        answer = Buffer.concat([answer, data]);
        if (answer.length < LENGTH_BYTES) return;
        const length = answer.readUInt32BE(0);
        if (length > MAX_CHAIN_BYTES || answer.length > LENGTH_BYTES + length) fail("its certificate chain is malformed");
        else if (answer.length === LENGTH_BYTES + length) {
          clearTimeout(timer);
          resolve(answer.toString("latin1", LENGTH_BYTES));
        }
      },
      onEnd: () => fail("it ended the query"),
    };
    carrier.send([QUERY_PREAMBLE]);
  });
}
