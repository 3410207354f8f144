import type { ClientSession } from "kwik";
import { fileHashes, type OpenedFile, openFile } from "../files/file-client.ts";
import type { FileFound } from "../files/file-protocol.ts";

/** What a download fetches: asked anew in each of its sessions. Both reject with FileRequestError if it is not to be had. */
export interface RemoteFile {
  /** For messages. */
  readonly path: string;
  /** Its bytes from `offset` on; not from the beginning, only of `version`. */
  open(session: ClientSession, offset: number, version: string | undefined): Promise<OpenedFile>;
  /** Hashes of its first blocks; undefined where there are none to be had. */
  hashes(session: ClientSession, blocks: number): Promise<{ found: FileFound; hashes: Uint8Array } | undefined>;
}

/** A file of `kwik serve`. */
export class ServedFile implements RemoteFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  open(session: ClientSession, offset: number, version: string | undefined): Promise<OpenedFile> {
    return openFile(session, this.path, offset, version);
  }

  hashes(session: ClientSession, blocks: number): Promise<{ found: FileFound; hashes: Uint8Array }> {
    return fileHashes(session, this.path, blocks);
  }
}
