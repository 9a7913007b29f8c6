import { closeSync, lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { openPlain, plainPath } from "./plain-path.ts";
import { openSys } from "./sys/sys.ts";
import { leavesNoDescriptors } from "./testing/leaves-no-descriptors.ts";

leavesNoDescriptors();

test.each([
  ["/", "/"],
  ["", "/"],
  ["/a//b/./c", "/a/b/c"],
  ["/a/b/../c", "/a/c"],
  ["/a/../../b", "/b"],
  ["/..", "/"],
])("%j is %s", (path, plain) => {
  expect(plainPath(path)).toBe(plain);
});

/** On Debian: /bin, a relative one, and /var/run, an absolute one. */
test.each(
  ["/bin", "/var/run", "/var/lock"].filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()),
)("the guest's own link %s is followed", (path) => {
  expect(plainPath(`${path}/x`)).toBe(plainPath(resolve(dirname(path), readlinkSync(path), "x")));
  expect(plainPath(`${path}/x`)).not.toBe(`${path}/x`);
});

test("a link that a container may have made stays in the path, and is not opened", async () => {
  const directory = mkdtempSync(join(tmpdir(), "plain-path-"));
  mkdirSync(join(directory, "real"));
  symlinkSync("real", join(directory, "link"));
  try {
    expect(plainPath(join(directory, "link"))).toBe(join(directory, "link"));
    await expect(openPlain(openSys(), join(directory, "link"))).rejects.toThrow("ELOOP");
    closeSync(await openPlain(openSys(), join(directory, "real/../real")));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
