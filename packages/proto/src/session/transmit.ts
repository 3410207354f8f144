import type { CarrierId, PathId } from "../base/ids.ts";

/** What the driver has to do next on a path's link. Executed in the order in which they are polled. */
export type Transmit =
  /** Open a carrier now and tell its number by `handleCarrierOpened`; nothing else is polled for this path before. */
  | { readonly kind: "open"; readonly pathId: PathId }
  | { readonly kind: "send"; readonly pathId: PathId; readonly carrier: CarrierId; readonly parts: readonly Uint8Array[] }
  /** A datagram of the link, which may drop it. */
  | { readonly kind: "datagram"; readonly pathId: PathId; readonly data: Uint8Array }
  | { readonly kind: "reset-carrier"; readonly pathId: PathId; readonly carrier: CarrierId }
  /** Close the link; the session has finished with it. */
  | { readonly kind: "close"; readonly pathId: PathId; readonly code: number; readonly reason: string };
