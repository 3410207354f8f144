/** What happens with responses that several replicas have, for logs. A content is named by target, `Host` and path. */
export type OriginEvent =
  /** A response's body goes to the client as a content. */
  | { readonly type: "content-offered"; readonly client: string; readonly content: string; readonly bytes: number }
  /** Its origin has sent all of it, and the client is told every hash: the other gateways can bring the rest without this one. */
  | { readonly type: "content-hashed"; readonly client: string; readonly content: string }
  /** The client has all of it ("complete"), or why not. */
  | { readonly type: "content-over"; readonly client: string; readonly content: string; readonly end: string }
  /** A response that looked as if it could be offered goes as it is. */
  | { readonly type: "content-passed"; readonly client: string; readonly target: string; readonly reason: string }
  /** A client asked for a range of what another gateway offers, and this one's origin does not give it. Told once in 10 s for each reason, with how many were not since the last one. */
  | {
      readonly type: "replica-refused";
      readonly session: string;
      readonly content: string;
      readonly reason: string;
      readonly untold: number;
    };

/** Numbers of a gateway since it began. */
export interface OriginStats {
  /** Responses whose body went as a content. */
  readonly offered: number;
  /** Responses that looked as if they could, and went as they are. */
  readonly passed: number;
  /** Contents that the client did not get, or did not want, to their end. */
  readonly failed: number;
  /** Bytes that origins gave in ranges. */
  readonly rangeBytes: number;
  /** Ranges that origins did not give. */
  readonly failedRanges: number;
}
