/** What a page is to measure; it asks for this as /task.json. */
export type PageTask = TransferTask | FileTask;

/** One stream of kwik and one bare WebTransport stream in turns. */
export interface TransferTask {
  readonly kind: "transfer";
  readonly direction: "download" | "upload";
  readonly bytes: number;
  /** Rounds that do not count. */
  readonly warmUpRounds: number;
  readonly rounds: number;
  readonly kwik: { readonly url: string; readonly certificate: string };
  readonly bare: { readonly url: string /** SHA-256 of the certificate in DER. */; readonly certificateHash: readonly number[] };
}

/** A file of `kwik serve` over all servers. */
export interface FileTask {
  readonly kind: "file";
  readonly path: string;
  readonly servers: readonly { readonly url: string; readonly certificate: string }[];
}

/** Seconds of each round that counts. */
export interface TransferResult {
  readonly kwik: readonly number[];
  readonly bare: readonly number[];
}

export interface FileResult {
  readonly bytes: number;
  readonly seconds: number;
}

/** What the page sends back, to /result. */
export type PageReport = { readonly result: unknown } | { readonly error: string };
