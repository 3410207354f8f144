import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";

const SIZE = "24m";

/** A file system in memory that is soon full. */
export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static make(folder: string): SmallDisk {
    mkdirSync(folder);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE}`, "kwik-chaos", folder], { stdio: "pipe" });
    return new SmallDisk(folder);
  }

  remove(): void {
    execFileSync("umount", ["-l", this.folder], { stdio: "pipe" });
  }
}
