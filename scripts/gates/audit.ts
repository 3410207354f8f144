import { spawn } from "node:child_process";
import type { Gate, GateResult } from "./gate.ts";
import { verdict } from "./gate.ts";
import type { ToolOutput } from "./tool.ts";

/** How long the registry may take, in milliseconds. */
const TIMEOUT_MS = 60_000;

interface Vulnerability {
  readonly severity?: string;
  readonly range?: string;
  readonly via?: readonly (string | { readonly title?: string; readonly url?: string })[];
}

interface AuditReport {
  readonly auditReportVersion?: number;
  readonly vulnerabilities?: Readonly<Record<string, Vulnerability>>;
  readonly metadata?: { readonly dependencies?: { readonly total?: number } };
  readonly message?: string;
  readonly error?: { readonly summary?: string; readonly code?: string };
}

/**
 * No dependency has a known weakness, as far as the registry tells. Where it cannot be asked, the gate says so and stays green: the network is not part of
 * the tree.
 */
export const audit: Gate = {
  name: "audit",
  run: async (root) => auditOutcome(await npmAudit(root)),
};

/** What `npm audit --json` has said, as the gate's result. */
export function auditOutcome(output: ToolOutput): GateResult {
  let report: AuditReport;
  try {
    report = JSON.parse(output.stdout) as AuditReport;
  } catch {
    return skipped(output.stderr.trim().split("\n")[0] || `npm audit ended with status ${output.code} and said nothing`);
  }
  if (report.auditReportVersion === undefined || report.vulnerabilities === undefined) {
    return skipped(report.error?.summary || report.message || report.error?.code || "npm audit gave no report");
  }
  const findings = Object.entries(report.vulnerabilities).map(([name, one]) => {
    const why = (one.via ?? []).map((via) => (typeof via === "string" ? `through ${via}` : [via.title, via.url].join(" ").trim()));
    return `${name} ${one.range ?? ""}: ${one.severity ?? "unknown"}: ${why.join("; ")}`;
  });
  const total = report.metadata?.dependencies?.total;
  return verdict(findings, total === undefined ? undefined : `${total} dependencies`);
}

function skipped(reason: string): GateResult {
  return verdict([], "SKIPPED", [`dependencies were not audited: ${reason.replace(/https?:\/\/\S+/g, "the registry").slice(0, 200)}`]);
}

function npmAudit(root: string): Promise<ToolOutput> {
  return new Promise((resolve) => {
    // `.npmrc` turns the audit of installs off, which this one is not.
    const child = spawn("npm", ["audit", "--json", "--audit=true"], { cwd: root, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", (error) => resolve({ code: 1, stdout: "", stderr: `npm did not run: ${error.message}` }));
    child.on("close", (code, signal) =>
      resolve({ code: code ?? 1, stdout, stderr: signal === null ? stderr : `npm audit took longer than ${TIMEOUT_MS / 1000} s` }),
    );
  });
}
