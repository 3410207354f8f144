export { isIdentity, parseIdentity, privateNameOf } from "@kwik/core";
export { identityOf, spkiIdentity } from "@kwik/tls";
