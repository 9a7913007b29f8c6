import { closeSync, mkdirSync, mkdtempSync, openSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { O_DIRECTORY, O_PATH } from "../../kernel/constants.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { openLeafCgroup } from "./leaf-cgroup.ts";

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cgroups-"));
  directory = join(root, "pods/c1");
  mkdirSync(join(directory, "init.scope/c1"), { recursive: true });
  mkdirSync(join(root, "pods/c2"));
  symlinkSync("../c2", join(directory, "link"));
});
afterEach(() => rmSync(root, { recursive: true }));

function leafOf(line: string): string {
  const own = openSync(directory, O_PATH | O_DIRECTORY);
  const files = { readText: () => `1:name=systemd:/other\n${line}\n` };
  try {
    const fd = openLeafCgroup({ sys: openSys(), files }, { directory, own, pid: 7 });
    const path = readlinkSync(`/proc/self/fd/${fd}`);
    closeSync(fd);
    return path.slice(root.length);
  } finally {
    closeSync(own);
  }
}

it("opens the container's own cgroup or the one below it that the process lives in", () => {
  expect(leafOf("0::/pods/c1")).toBe("/pods/c1");
  expect(leafOf("0::/pods/c1/init.scope")).toBe("/pods/c1/init.scope");
  expect(leafOf("0::/pods/c1/init.scope/c1")).toBe("/pods/c1/init.scope/c1");
});

it("never leaves the container's cgroup, whatever the names below are", () => {
  for (const line of ["0::/pods/c2", "0::/", "", "0::/../pods/c2"]) {
    expect(() => leafOf(line)).toThrow(/^cgroup of process 7: .* is not below the container's own$/);
  }
  expect(() => leafOf("0::/pods/c1/link")).toThrow("ELOOP");
  expect(() => leafOf("0::/pods/c1/../c2")).toThrow("EXDEV");
  expect(() => leafOf("0::/pods/c1/gone (deleted)")).toThrow("ENOENT");
});
