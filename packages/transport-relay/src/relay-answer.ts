import { type DialRequest, formatAddress, KwikError, type KwikErrorCode } from "@kwik/core";
import { TunnelRefusedError } from "@kwik/tunnel";

/** What is between client and relay, of one dial: why it failed, if that is where it failed. */
export class RelayAnswer {
  readonly #request: DialRequest;
  #failure: KwikError | undefined;

  constructor(request: DialRequest) {
    this.#request = request;
  }

  /** The first failure, in words that name the way. */
  get failure(): KwikError | undefined {
    return this.#failure;
  }

  /** What a dial that was aborted rejects with. */
  aborted(): KwikError {
    const { address, signal } = this.#request;
    return new KwikError("ABORTED", `dialling ${formatAddress(address)} was aborted`, { cause: signal?.reason });
  }

  /** The promise; what it rejects with is a failure of the relay. */
  async orFailure<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      this.#failure ??= this.#request.signal?.aborted === true ? this.aborted() : failureOf(error, this.#request);
      throw this.#failure;
    }
  }
}

/** What says something of this client or its options. Everything else means that there is no way through this relay. */
const TELLING = new Set<KwikErrorCode>(["INVALID_ARGUMENT", "NOT_TRUSTED", "AUTH_REFUSED"]);

function failureOf(error: unknown, { address, timeoutMs }: DialRequest): KwikError {
  const where = formatAddress(address);
  const { code, message, remote } = KwikError.from(error, "UNREACHABLE");
  const because = (what: KwikErrorCode, text: string): KwikError =>
    new KwikError(what, `${where} cannot be reached: ${text}`, { remote, cause: error });
  if (error instanceof TunnelRefusedError) return because(codeOf(error), `the relay says of ${message}`);
  if (code === "ABORTED") return because("UNREACHABLE", `the relay did not answer within ${Math.round(timeoutMs / 100) / 10} s`);
  return because(TELLING.has(code) ? code : "UNREACHABLE", message);
}

/** A limit of the relay's is none of the session's, and may be gone at the next try. */
function codeOf({ refusal }: TunnelRefusedError): KwikErrorCode {
  if (refusal === "not-allowed") return "ADDRESS_REFUSED";
  return refusal === "not-supported" ? "NOT_SUPPORTED" : "UNREACHABLE";
}
