import type { Limits } from "../base/limits.ts";

export interface ContentFetchOptions {
  readonly limits: Pick<Limits, "maxContentWindowBytes" | "maxDuplicateShare">;
  /** A number not used for another request of the session. */
  readonly allocateRequestId: () => number;
  /** Window to begin with, in bytes; 4 MiB by default. */
  readonly windowBytes?: number;
  /** Bytes of the stream before the content that the reader has not read, 0 by default: they count on the window. */
  readonly bytesAhead?: number;
}
