import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type DialOptions, parseTransportName, type TransportName, type TrustOptions } from "kwik";
import { CommandError, ExitStatus, sentenceOf } from "./exit-status.ts";
import { readToken } from "./token-file.ts";

export interface DialFlags {
  readonly ca?: string;
  readonly revoked?: string;
  readonly pin?: readonly string[];
  readonly insecure?: boolean;
  readonly transport?: TransportName;
  readonly relay?: readonly string[];
  readonly relayTokenFile?: string;
}

/** Adds --ca, --revoked, --pin, --insecure, --transport, --relay and --relay-token-file. */
export function withDialFlags(command: Command): Command {
  return command
    .option("--ca <file>", "believe servers whose certificate comes from this authority (PEM)")
    .option("--revoked <file>", "the list of `kwik cluster revoke`: servers on it are not believed; needs --ca")
    .option("--pin <identity>", "believe the server with this key, sha256:<hex>; repeatable", collect)
    .option("--insecure", "believe whoever answers; for experiments only")
    .addOption(
      new Option("--transport <name>", "quic, tcp or websocket (default: whichever works first)")
        .env("KWIK_TRANSPORT")
        .argParser(transportName),
    )
    .option("--relay <url>", "one path more through this relay, kwik://HOST:PORT, #sha256:… behind it for its key; repeatable", collect)
    .option("--relay-token-file <file>", "file with the token that the relays ask for");
}

/** What the flags say of dialling. */
export async function dialOptionsOf(flags: DialFlags): Promise<Pick<DialOptions, "trust" | "transport" | "relays">> {
  const trust = await trustOf(flags);
  const relays = await relaysOf(flags);
  return { trust, ...(flags.transport === undefined ? {} : { transport: flags.transport }), ...(relays === undefined ? {} : { relays }) };
}

async function relaysOf({ relay, relayTokenFile }: DialFlags): Promise<DialOptions["relays"]> {
  const token = relayTokenFile === undefined ? undefined : await readToken(relayTokenFile);
  if (relay === undefined && token !== undefined)
    throw new CommandError(ExitStatus.usage, "--relay-token-file needs a relay; add --relay kwik://HOST:PORT");
  return relay?.map((address) => (token === undefined ? address : { address, credentials: { token } }));
}

function transportName(text: string): TransportName | undefined {
  try {
    return parseTransportName(text);
  } catch (error) {
    throw new InvalidArgumentError(sentenceOf(error));
  }
}

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** Whom to believe, as the flags say. */
async function trustOf(flags: DialFlags): Promise<TrustOptions> {
  const pins = flags.pin ?? [];
  if (flags.insecure === true && (flags.ca !== undefined || pins.length > 0)) {
    throw new CommandError(
      ExitStatus.usage,
      "--insecure believes everybody, so it cannot be used with --ca or --pin; leave one of them out",
    );
  }
  for (const pin of pins) {
    if (!/^sha256:[0-9a-f]{64}$/i.test(pin)) {
      throw new CommandError(ExitStatus.usage, `"${pin}" is not an identity; --pin takes the sha256:… that \`kwik serve\` prints`);
    }
  }
  const trust: TrustOptions = {};
  if (flags.ca !== undefined) trust.ca = await readPem(flags.ca);
  if (flags.revoked !== undefined) {
    if (flags.ca === undefined)
      throw new CommandError(ExitStatus.usage, "--revoked needs --ca: the list is believed because that authority has signed it");
    trust.revoked = await readText(flags.revoked);
  }
  if (pins.length > 0) trust.pins = pins.map((pin) => pin.toLowerCase());
  if (flags.insecure === true) trust.dangerouslyTrustAnyServer = true;
  return trust;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = isMissing ? "there is no such file; check the path" : sentenceOf(error);
    throw new CommandError(ExitStatus.local, `cannot read ${file}: ${why}`, { cause: error });
  }
}

/** A file in PEM. */
export async function readPem(file: string): Promise<string> {
  const text = await readText(file);
  if (text.includes("-----BEGIN ")) return text;
  throw new CommandError(ExitStatus.usage, `${file} is not a PEM file (it has no "-----BEGIN" line)`);
}
