import { ErrorCode, type Link, type ListenRequest } from "@kwik/core";

/** Hands a new link to whoever listens; closes it, with a notice, if he throws or does not attach to it. */
export function offerLink(link: Link & { readonly isAttached: boolean }, request: Pick<ListenRequest, "onLink" | "onNotice">): void {
  try {
    request.onLink(link);
    if (!link.isAttached) throw new Error("nobody attached to the link");
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    request.onNotice?.(`the receiver of a link from ${link.properties.remoteAddress} failed: ${message}`);
    link.close(ErrorCode.INTERNAL_ERROR, "the receiver failed");
  }
}
