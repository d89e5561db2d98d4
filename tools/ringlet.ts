/** The `ringlet` command: a peer and everything one does to it. */
import { runProgram } from "./cli/program.ts";

// Whoever reads may have had enough: `ringlet decode FILE | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

await runProgram(process.argv.slice(2));
