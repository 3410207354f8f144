import { testFolder } from "../e2e/kwik-process.ts";
import { sharedFolder } from "./folder.ts";

/** A folder for the programs of a file; the `kwik` processes of the file end with it. */
export function folderOfProcesses(): string {
  testFolder();
  return sharedFolder();
}
