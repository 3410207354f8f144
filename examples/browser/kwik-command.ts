// The kwik command, started as a process of its own by file-servers.ts.
import { runProgram } from "@kwik/cli";

process.exitCode = await runProgram(process.argv.slice(2));
