import type { MemberId } from "../base/ids.ts";

/** What a fetch wants to be sent: a request for whole blocks (content offset, bytes), or the end of one. */
export type FetchCommand =
  | {
      readonly kind: "request";
      readonly member: MemberId;
      readonly requestId: number;
      readonly offset: number;
      readonly length: number;
      /** It is needed before what the server was asked for already. */
      readonly isUrgent: boolean;
    }
  | { readonly kind: "cancel"; readonly member: MemberId; readonly requestId: number };

/** What a fetch wants to be compared: the SHA-256 over the parts (or over all hashes) with `expected`. */
export type FetchVerification =
  | {
      readonly kind: "block";
      readonly block: number;
      readonly attempt: number;
      readonly parts: readonly Uint8Array[];
      readonly expected: Uint8Array;
    }
  | { readonly kind: "root"; readonly hashes: readonly Uint8Array[]; readonly expected: Uint8Array };
