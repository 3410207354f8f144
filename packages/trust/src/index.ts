export { makeAuthorityVoucher } from "./authority-voucher.ts";
export { type ClusterFile, loadClusterFile } from "./cluster-file.ts";
export {
  type ClusterFiles,
  initCluster,
  type InitClusterOptions,
  issueClient,
  type IssueClientOptions,
  type IssuedClient,
  type IssuedServer,
  issueServer,
  type IssueServerOptions,
} from "./cluster.ts";
export {
  type ClusterChange,
  renewServer,
  type RenewServerOptions,
  revoke,
  type RevokeOptions,
  rotateTicketKeys,
} from "./cluster-changes.ts";
export { identityOf, isIdentity, parseIdentity, privateNameOf } from "./identity.ts";
export { joinAuthority } from "./join-authority.ts";
export { readRevocationList, type RevocationList, type RevokedKey, signRevocationList } from "./revocation-list.ts";
export { type ExpectedTicket, mintTicket, type TicketClaims, TicketVerifier, type TicketVerifierOptions } from "./join-ticket.ts";
export { makeSelfSigned, type SelfSignedOptions, type ServerCertificate } from "./self-signed.ts";
export { trustAnchorFor, trustAnchorUnder } from "./trust-anchor.ts";
