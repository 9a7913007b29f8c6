import { execFileSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../machine/paths.ts";

const bin = join(import.meta.dirname, "guestctl.sh");
let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "guestctl-launch-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("starts through a symlink, whichever Node comes first in PATH", () => {
  writeFileSync(join(directory, "node"), "#!/bin/sh\necho an old Node >&2\nexit 1\n");
  chmodSync(join(directory, "node"), 0o755);
  symlinkSync(bin, join(directory, "guestctl"));
  const env = { PATH: `${directory}:/usr/bin:/bin` };
  expect(execFileSync(join(directory, "guestctl"), ["--help"], { env, encoding: "utf8" })).toMatch(/^Usage: guestctl /);
});

test("is the file that npm links, and npm accepts Debian 12's Node without a warning", () => {
  const about = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  expect(about.bin).toEqual({ guestctl: "host/cli/guestctl.sh" });
  // Debian 12 has Node 18. npm 9 prints ten lines at each npx if the Node is too old.
  expect(about.engines.node).toBe(">=18");
});

const writable = isWritable(join(repositoryRoot, "node_modules"));

test.skipIf(!writable)(
  `starts in half the time once Node has cached its compiled code${writable ? "" : " (skipped: node_modules is not writable)"}`,
  () => {
    const cold = [1, 2, 3].map(() => cpuSeconds(process.execPath, join(import.meta.dirname, "guestctl.ts")));
    cpuSeconds(bin);
    const warm = [1, 2, 3].map(() => cpuSeconds(bin));
    expect(Math.min(...warm)).toBeLessThan(Math.min(...cold) / 2);
  },
);

/** Returns the CPU seconds, user and system, of the command with --help. */
function cpuSeconds(...command: string[]): number {
  const script = '"$@" --help >/dev/null; times';
  const [, children = ""] = execFileSync("/bin/sh", ["-c", script, "sh", ...command], { encoding: "utf8" }).split("\n");
  const times = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds),
  );
  return times.reduce((sum, one) => sum + one, 0);
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
