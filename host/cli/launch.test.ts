import { execFileSync, spawnSync } from "node:child_process";
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
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../vm/paths.ts";

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

/** The distribution's, which npm itself runs on. */
const OLD = "/usr/bin/node";
const isOld = /^v(1\d|20)\./.test(spawnSync(OLD, ["--version"], { encoding: "utf8" }).stdout ?? "");

test.skipIf(!isOld)(
  `says in one line that Node is too old, and what to do${isOld ? "" : " (skipped: no Node before 22 in /usr/bin)"}`,
  () => {
    const { status, stderr } = spawnSync(OLD, [join(import.meta.dirname, "launch.cjs")], { encoding: "utf8" });
    expect(stderr).toMatch(/^guestctl: Node [\d.]+ is too old for it; run npm ci in \S+, which brings Node 24\n$/);
    expect(status).toBe(125);
  },
);

const writable = isWritable(join(repositoryRoot, "node_modules"));

test.skipIf(!writable)(
  `runs compiled code from Node's cache at every start but the first${writable ? "" : " (skipped: node_modules is not writable)"}`,
  () => {
    const env = { ...process.env, NODE_DEBUG_NATIVE: "COMPILE_CACHE" };
    const modules = () => {
      const { stderr } = spawnSync(bin, ["--help"], { env, encoding: "utf8" });
      return [...stderr.matchAll(/^\[compile cache\] V8 code cache for (.*) was (\w+)/gm)];
    };
    modules();
    const second = modules();
    expect(second.filter(([, , how]) => how !== "accepted").map(([line]) => line)).toEqual([]);
    expect(second.map(([, module]) => module)).toContain(
      `ESM ${pathToFileURL(join(import.meta.dirname, "guestctl.ts"))}`,
    );
  },
);

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
