import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const to = join(tmpdir(), `guestd-build-options-${process.pid}`);

test.each<[string, string]>([
  ["--vmlinux k", "--vmlinux: requires a profile"],
  ["--format kata-image --kernel 6.1.0", "--kernel: requires an output with Debian's kernel"],
  ["--artifact", "--artifact: requires a profile"],
  ["--output erofs --with-verity", "--with-verity: requires the output guest"],
  ["--no-dax-header", "--no-dax-header: requires the output kata-image"],
])("refuses options that contradict each other: %s", (line, message) => {
  const args = [join(import.meta.dirname, "build.ts"), "--to", to, ...line.split(" ")];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect([stdout, stderr, status]).toEqual(["", `build: ${message}\n`, 1]);
  expect(existsSync(to)).toBe(false);
});
