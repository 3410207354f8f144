/** What a test asks of `link-client-process.ts`. */
export interface FetchOrder {
  readonly host: string;
  readonly port: number;
  readonly bytes: number;
  readonly dialTimeoutMs: number;
}

/** What it answers. */
export type FetchOutcome =
  | { readonly kind: "fetched"; readonly received: number; readonly isRight: boolean }
  | { readonly kind: "refused"; readonly code: string; readonly message: string; readonly afterMs: number };
