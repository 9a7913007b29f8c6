import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeFileSystem } from "./make-file-system.ts";

/** Creates an empty disk of 8 MiB. */
function disk(content: string | Buffer = ""): string {
  const directory = mkdtempSync(join(tmpdir(), "guestd-mkfs-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "disk");
  writeFileSync(path, content);
  truncateSync(path, 8 << 20);
  return path;
}
const describe = (path: string) =>
  execFileSync("/usr/sbin/dumpe2fs", ["-h", path], { encoding: "utf8", stdio: "pipe" });

test("an ext4 is created on an empty disk and kept when requested again", async () => {
  const path = disk();
  const uuid = "67756573-7464-4000-8000-000000000000";
  await makeFileSystem(path, { uuid });
  expect(describe(path)).toMatch(/^Filesystem UUID: +67756573-7464-4000-8000-000000000000$/m);
  expect(describe(path)).toMatch(/^Reserved block count: +0$/m);
  const made = readFileSync(path);
  await makeFileSystem(path);
  expect(readFileSync(path).equals(made)).toBe(true);
});

test("a disk that is kept gets a journal, and stays sparse", async () => {
  const path = disk();
  truncateSync(path, 2 ** 30);
  await makeFileSystem(path, { isKept: true });
  expect(describe(path)).toMatch(/^Filesystem features: .*has_journal/m);
  expect(statSync(path).blocks * 512).toBeLessThan(8 << 20);
});

test.each([
  ["bytes at its beginning", () => disk("x")],
  ["bytes further in", () => disk(Buffer.concat([Buffer.alloc(65536), Buffer.from("_BHRfS_M")]))],
  [
    "an ext4 created elsewhere",
    () => {
      const path = disk();
      execFileSync("/usr/sbin/mkfs.ext4", ["-q", "-F", path]);
      return path;
    },
  ],
])("a disk with %s is refused, and left untouched", async (_, make) => {
  const path = make();
  const before = readFileSync(path);
  await expect(makeFileSystem(path)).rejects.toThrow(
    `make file system on ${path}: the disk is not empty and won't be overwritten`,
  );
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("an image without mkfs.ext4 is reported", async () => {
  await expect(makeFileSystem(disk(), {}, "/none/mkfs.ext4")).rejects.toThrow(
    "/none/mkfs.ext4: the image has no such program",
  );
});
