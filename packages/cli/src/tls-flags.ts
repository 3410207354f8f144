import { formatAddress, isKwikError, type Listener, listen, type NodeListenOptions, parseAddress } from "kwik";
import { readPem } from "./dial-flags.ts";
import { CommandError, ExitStatus, sentenceOf } from "./exit-status.ts";

/** What the command line says of a server's certificate. */
export interface TlsFlags {
  readonly cert?: string;
  readonly key?: string;
  readonly selfSigned?: boolean;
  readonly cluster?: string;
}

/** The certificate that the flags name. Throws a usage error for flags that contradict each other. */
export async function tlsOf(flags: TlsFlags): Promise<NodeListenOptions["tls"]> {
  if (flags.cert === undefined && flags.key === undefined) {
    if (flags.cluster === undefined || flags.selfSigned === true) return "self-signed";
    throw new CommandError(
      ExitStatus.usage,
      "--cluster needs the certificate of the same folder; add --cert and --key (or --self-signed, if clients pin keys)",
    );
  }
  if (flags.selfSigned === true)
    throw new CommandError(ExitStatus.usage, "--self-signed makes a certificate, so it cannot be used with --cert and --key");
  if (flags.cert === undefined || flags.key === undefined)
    throw new CommandError(ExitStatus.usage, "--cert and --key belong together; give both");
  return { cert: await readPem(flags.cert), key: await readPem(flags.key) };
}

/** As `listen`; what cannot be bound is a local error that says what to do. */
export async function listening(address: string, options: NodeListenOptions): Promise<Listener> {
  try {
    return await listen(formatAddress(parseAddress(address)), options);
  } catch (error) {
    if (isKwikError(error) && error.code === "IO") {
      throw new CommandError(ExitStatus.local, `${sentenceOf(error)}; choose another --listen address, or port 0 for any free one`, {
        cause: error,
      });
    }
    throw error;
  }
}
