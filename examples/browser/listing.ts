/** What the page asks for first, as /listing.json. */
export interface Listing {
  readonly file: { readonly name: string; readonly bytes: number; readonly sha256: string };
  readonly servers: readonly ListedServer[];
}

/** What a page has to know of a server. */
export interface ListedServer {
  readonly name: string;
  /** "host:port" */
  readonly address: string;
  /** PEM */
  readonly certificate: string;
}
