import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debPackage } from "./deb.ts";
import { textFile } from "./package-file.ts";

const CONTROL = { Package: "sample", Version: "1.2.3", Architecture: "all", Maintainer: "a", Description: "a sample" };
const PRERM = "#!/bin/sh\necho removed\n";
const FILES = [
  textFile("usr/share/sample/text", "text\n"),
  textFile("usr/bin/sample", "#!/bin/sh\necho hello\n", 0o755),
];
let directory = "";
let file = "";

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-deb-"));
  file = join(directory, "sample.deb");
  writeFileSync(file, await debPackage(CONTROL, FILES, PRERM));
});
afterAll(() => rmSync(directory, { recursive: true }));

const dpkg = (...args: string[]) => execFileSync("dpkg-deb", args, { encoding: "utf8" });

test("dpkg-deb reads the control fields, owners and modes of a package, and unpacks it", () => {
  expect(dpkg("--field", file, "Package", "Version", "Installed-Size")).toBe(
    "Package: sample\nVersion: 1.2.3\nInstalled-Size: 1\n",
  );
  const lines = dpkg("--contents", file).trimEnd().split("\n");
  expect(lines.map((line) => line.split(/\s+/)).map(([mode, owner, , , , path]) => [mode, owner, path])).toEqual([
    ["drwxr-xr-x", "0/0", "./usr/"],
    ["drwxr-xr-x", "0/0", "./usr/bin/"],
    ["-rwxr-xr-x", "0/0", "./usr/bin/sample"],
    ["drwxr-xr-x", "0/0", "./usr/share/"],
    ["drwxr-xr-x", "0/0", "./usr/share/sample/"],
    ["-rw-r--r--", "0/0", "./usr/share/sample/text"],
  ]);
  dpkg("--extract", file, join(directory, "root"));
  expect(execFileSync(join(directory, "root/usr/bin/sample"), { encoding: "utf8" })).toBe("hello\n");
});

test("a package's script for its removal can be executed", () => {
  dpkg("--control", file, join(directory, "control"));
  expect(execFileSync(join(directory, "control/prerm"), { encoding: "utf8" })).toBe("removed\n");
});

test("a package's md5sums are right, and equal packages have equal bytes", async () => {
  dpkg("--control", file, join(directory, "control"));
  dpkg("--extract", file, join(directory, "root"));
  execFileSync("md5sum", ["--check", "--quiet", join(directory, "control/md5sums")], { cwd: join(directory, "root") });
  expect((await debPackage(CONTROL, FILES.toReversed(), PRERM)).equals(readFileSync(file))).toBe(true);
});
