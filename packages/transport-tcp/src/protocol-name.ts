/** The protocol name of TLS (ALPN). spec: PIPE-1 */
export const PROTOCOL_NAME = "kwik/1";
