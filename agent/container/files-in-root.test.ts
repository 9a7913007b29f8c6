import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SystemError } from "../kernel/error.ts";
import { guestRoot } from "../kernel/files/contained-files.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { containedDouble } from "../kernel/testing/contained-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { openRoot, readTextInside } from "./files-in-root.ts";

const contained = containedDouble(openSys());
const MIB = 1024 * 1024;
let root = "";
leavesNoDescriptors();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-root-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("a text of up to 1 MiB inside a root is read", async () => {
  writeFileSync(join(root, "short"), "tëxt");
  writeFileSync(join(root, "long"), "x".repeat(MIB));
  expect(await readTextInside(contained, guestRoot("c1", root), "/short")).toBe("tëxt");
  expect(await readTextInside(contained, guestRoot("c1", root), "/long")).toHaveLength(MIB);
});

test("a file that is missing, too long or no file is none", async () => {
  writeFileSync(join(root, "long"), "x".repeat(MIB + 1));
  mkdirSync(join(root, "directory"));
  for (const path of ["/missing", "/long", "/directory"])
    expect(await readTextInside(contained, guestRoot("c1", root), path)).toBeUndefined();
});

test("a caller that gives up gets its own reason", async () => {
  const gone = AbortSignal.abort(new Error("deadline"));
  await expect(readTextInside(contained, guestRoot("c1", root), "/missing", gone)).rejects.toThrow("deadline");
});

test("a root that does not exist, or is no directory, is reported", async () => {
  await expect(readTextInside(contained, guestRoot("c1", join(root, "none")), "/a")).rejects.toThrow(
    `open ${root}/none: ENOENT`,
  );
  writeFileSync(join(root, "file"), "");
  expect(() => openRoot(join(root, "file"))).toThrow(SystemError);
});
