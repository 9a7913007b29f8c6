import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "../lib/package-root.ts";
import { conformancePackage } from "./conformance-package.ts";

let directory = "";
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-conformance-"));
  const { files } = await conformancePackage(packageRoot(), "1.2.3");
  for (const { path, mode = 0o644, content } of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content, { mode });
  }
}, 60_000);
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs the package's program with this Node. */
function conformance(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(directory, "bin/guestd-conformance.js"), ...args],
    {
      encoding: "utf8",
    },
  );
  return { status, stdout, stderr };
}

test("guestd-conformance lists its cases without guestd", () => {
  const { status, stdout, stderr } = conformance("--list");
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^containers +must +\S/m);
});

test("guestd-conformance returns 2 for wrong usage, with its own name in the error", () => {
  expect(conformance("--levels", "sometimes", "unix:///none")).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/^guestd-conformance: [^\n]*sometimes[^\n]*\n$/),
  });
});

test("guestd-conformance writes its page, whose style and script are in the package", () => {
  const page = join(directory, "report.html");
  const { status } = conformance("--start", "exit 1; : {address}", "--groups", "health", "--html", page);
  expect(status).toBe(1);
  expect(readFileSync(page, "utf8")).toMatch(/<style>[^<]*\.verdict/);
});
