import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCommand } from "./host-command.ts";

const INSTALL_TIMEOUT_MS = 300_000;
/** Who installs at the same time waits, as apt-get itself would not. */
const APT_LOCK = join(tmpdir(), "kwik-apt.lock");

/** A program that the laboratory runs, and the package of Debian that has it. */
const TOOLS: readonly (readonly [string, string])[] = [
  ["ip", "iproute2"],
  ["tc", "iproute2"],
  ["nft", "nftables"],
  ["gcc", "gcc"],
  ["nginx", "nginx-light"],
  ["aria2c", "aria2"],
  ["mptcpize", "mptcpize"],
  ["ping", "iputils-ping"],
  ["curl", "curl"],
];

/** What the network itself needs, without what is compared on it. */
export const NETWORK_PROGRAMS: readonly string[] = ["ip", "tc", "nft", "gcc", "ping"];

/** Why the laboratory cannot work here, or undefined once it can; installs what is missing of the programs, all by default. */
export function prepareTools(programs: readonly string[] = TOOLS.map(([program]) => program)): string | undefined {
  if (process.platform !== "linux") return "it needs Linux: its network is made of network namespaces";
  if (process.getuid?.() !== 0) return "it needs root, to make network namespaces; run it with sudo";
  const missing = [...new Set(TOOLS.filter(([program]) => programs.includes(program) && !isThere(program)).map(([, name]) => name))];
  if (missing.length > 0) {
    process.stderr.write(`kwik bench: installing ${missing.join(", ")}\n`);
    try {
      // A fresh machine has no list of packages.
      for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...missing]]) {
        execFileSync("flock", [APT_LOCK, "apt-get", ...args], {
          stdio: "pipe",
          timeout: INSTALL_TIMEOUT_MS,
          env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
        });
      }
    } catch {
      return `it needs ${missing.join(", ")}, which could not be installed`;
    }
  }
  if (!existsSync("/dev/net/tun")) return "it needs the TUN device /dev/net/tun";
  return undefined;
}

/** Versions of what took part, for the report. */
export function toolVersions(): readonly string[] {
  return [
    `Linux ${hostCommand("uname", ["-r"]).trim()}`,
    `Node ${process.versions.node}`,
    versionOf("aria2c", ["--version"]),
    versionOf("nginx", ["-v"]),
    `TCP congestion control ${hostCommand("sysctl", ["-n", "net.ipv4.tcp_congestion_control"]).trim()}`,
  ].filter((text) => text !== "");
}

function versionOf(program: string, args: readonly string[]): string {
  try {
    const text = execFileSync("sh", ["-c", `${program} ${args.join(" ")} 2>&1`], { encoding: "utf8" });
    return (text.split("\n")[0] ?? "").replace("version: ", "").trim();
  } catch {
    return "";
  }
}

function isThere(program: string): boolean {
  try {
    hostCommand("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}
