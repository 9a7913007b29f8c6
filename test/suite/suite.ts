import { spawnSync } from "node:child_process";
import { relative } from "node:path";
import { createVitest } from "vitest/node";

/** Files that may fail by the load of the others. If more fail, it is the change. */
const MOST = 3;

/**
 * Runs all tests but the nightly ones. Files that fail are run once more, alone: what they test can be late while others
 * use the processors. One that passes then is named as unsteady at the end; errors outside of files are failures.
 */
const environment = { ...process.env };
// startVitest sets these too, but it also closes Vitest, and then the exit code no longer tells which of the two failed.
Object.assign(process.env, { TEST: "true", VITEST: "true", NODE_ENV: process.env["NODE_ENV"] ?? "test" });
const vitest = await createVitest("test", { watch: false, project: "!nightly" });
await vitest.start();
const errors = vitest.state.getUnhandledErrors();
const failed = vitest.state.getFailedFilepaths().map((path) => relative(process.cwd(), path));
const result = process.exitCode;
// What fails at the end, such as a teardown, sets it again.
process.exitCode = 0;
await vitest.close();

if (errors.length === 0 && failed.length > 0 && failed.length <= MOST) {
  console.log(`npm test: runs what failed again, alone: ${failed.join(", ")}`);
  const argv = ["run", "--project", "!nightly", "--no-file-parallelism", ...failed];
  const { status } = spawnSync("vitest", argv, { env: environment, stdio: "inherit" });
  if (status === 0) console.log(`npm test: passed only alone, to be mended: ${failed.join(", ")}`);
  process.exitCode ||= status ?? 1;
} else process.exitCode ||= result;
process.exit();
