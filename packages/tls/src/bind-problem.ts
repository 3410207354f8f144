/** Why an address cannot be bound, in the words that the QUIC transport has for it. */
export function bindProblem(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "EADDRINUSE":
      return "the address is already in use";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    case "EACCES":
    case "EPERM":
      return "this port needs more rights";
    default:
      return error.message;
  }
}
