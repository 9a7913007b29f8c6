import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { identityOf, sharedFolder } from "./shared-source.ts";

let work: string;
beforeEach(() => {
  work = realpathSync(mkdtempSync(join(tmpdir(), "source-")));
  mkdirSync(join(work, "shared/sub"), { recursive: true });
});
afterEach(() => rmSync(work, { recursive: true }));

test("a folder is shared by its real path, which only the system's own links shorten", () => {
  expect(sharedFolder(join(work, "shared/../shared/sub/"))).toBe(join(work, "shared/sub"));
  expect(sharedFolder("/")).toBe("/");
  expect(sharedFolder("/var/run")).toBe(realpathSync("/var/run"));
});

test("a link that a container may have planted is not followed", () => {
  symlinkSync("/etc", join(work, "shared/planted"));
  symlinkSync(join(work, "shared/sub"), join(work, "shared/inside"));
  for (const path of ["planted", "planted/ssl", "inside", "planted/../planted"]) {
    expect(() => sharedFolder(join(work, "shared", path)), path).toThrow(
      /^share \S+: it leads through a link, which a container may have made; name the folder itself$/,
    );
  }
  expect(() => sharedFolder("/proc/self/root/usr")).toThrow("it leads through a link");
});

test("what is no folder is refused", () => {
  writeFileSync(join(work, "file"), "");
  for (const name of ["file", "none", "file/below"])
    expect(() => sharedFolder(join(work, name)), name).toThrow(`share ${join(work, name)}: it is not a folder`);
});

test("a folder is known by its device and inode", () => {
  const { dev, ino } = statSync(join(work, "shared"), { bigint: true });
  expect(identityOf(join(work, "shared"), "ro")).toBe(`${dev}:${ino}`);
  rmSync(join(work, "shared"), { recursive: true });
  symlinkSync("/etc", join(work, "shared"));
  expect(() => identityOf(join(work, "shared"), "ro")).toThrow("it leads through a link");
});

test.runIf(isRoot())("root shares a folder writable only below one that is closed to other users", () => {
  // Not in the folder of this run, which is closed to others itself.
  const above = mkdtempSync("/tmp/guestd-above-");
  onTestFinished(() => rmSync(above, { recursive: true }));
  const folder = join(above, "shared/sub");
  mkdirSync(folder, { recursive: true });
  expect(identityOf(folder, "rw")).toMatch(/^\d+:\d+$/);
  for (const mode of [0o701, 0o710, 0o755]) {
    chmodSync(above, mode);
    expect(() => identityOf(folder, "rw"), mode.toString(8)).toThrow(
      `share ${folder}: other users can enter it, and a container could make programs there that run as root; add :ro`,
    );
    expect(identityOf(folder, "ro")).toMatch(/^\d+:\d+$/);
  }
  // Its own mode is the container's to change.
  chmodSync(folder, 0o700);
  expect(() => identityOf(folder, "rw")).toThrow("other users can enter it");
  chmodSync(join(above, "shared"), 0o700);
  expect(identityOf(folder, "rw")).toMatch(/^\d+:\d+$/);
  for (const path of ["/", "/usr"]) expect(() => identityOf(path, "rw"), path).toThrow("other users can enter it");
});
