import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/package-root.ts";
import { whyNoHour } from "../first-hour/why-no-hour.ts";

/** Each step has a limit of its own; this one is for all of them together. */
const LIMIT_MS = 7_200_000;
const reason = whyNoHour();
const why = reason === undefined ? "" : ` (skipped: ${reason})`;

test.skipIf(reason !== undefined)(
  `every step of a new user's first hour succeeds${why}`,
  async () => {
    const program = join(packageRoot(), "test/first-hour/first-hour.ts");
    const { code, stdout, stderr } = await promisify(execFile)(process.execPath, [program], {
      maxBuffer: 1 << 26,
    }).then(
      (outputs) => ({ ...outputs, code: 0 }),
      (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error,
    );
    console.log(stdout);
    const failed = stdout.split("\n").filter((line) => line.startsWith("FAILED"));
    expect({ code, failed, stderr }).toEqual({ code: 0, failed: [], stderr: "" });
    expect(stdout).toMatch(/^(\d+) of \1 steps succeeded$/m);
  },
  LIMIT_MS,
);
