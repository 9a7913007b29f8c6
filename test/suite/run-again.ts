import { spawnSync } from "node:child_process";
import { relative } from "node:path";
import { readReport } from "./report.ts";

/** Files that may fail under the load of the others. More are no accident. */
const MOST = 3;

/**
 * Runs the files that failed in a run of vitest again, alone: `node run-again.ts REPORT`, with the JSON report of that run.
 * Exits with 0 if each passes now, and names it as unsteady; otherwise with 1. What failed outside of a file stays failed.
 */
const { failed, others } = readReport(process.argv[2] ?? "");
const names = failed.map((file) => relative(process.cwd(), file));
if (others || names.length > MOST) {
  console.error(`npm test: ${names.length} files failed${others ? ", and something outside of a file" : ""}; see above`);
  process.exit(1);
}
console.log(`npm test: runs again what failed, alone: ${names.join(", ")}`);
const { status } = spawnSync("vitest", ["run", "--project", "!nightly", "--no-file-parallelism", ...failed], { stdio: "inherit" });
if (status === 0) console.log(`npm test: unsteady, passed alone: ${names.join(", ")}; see above why it failed, and mend it`);
process.exit(status === 0 ? 0 : 1);
