import type { ChildProcess } from "node:child_process";

/** The first line on standard output that is an object. */
export function jsonLineOf(child: ChildProcess, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`a kwik process said nothing within ${timeoutMs} ms`)), timeoutMs);
    child.stdout?.on("data", (data: Buffer) => {
      text += data.toString();
      const match = /^\{.*\}$/m.exec(text);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match[0]);
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`a kwik process ended with status ${code ?? "of a signal"} before it was ready`));
    });
  });
}
