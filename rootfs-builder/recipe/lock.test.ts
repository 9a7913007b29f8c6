import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Lock, lockPath, readLock, refuseDifference } from "./lock.ts";

const sha256 = "a".repeat(64);
const LOCK: Lock = {
  format: 1,
  architecture: "amd64",
  kernel: { release: "6.1.0-1-cloud-amd64", sha256 },
  closures: { "curl jq": ["curl", "jq", "libjq1"] },
  packages: { jq: { version: "1:1.6-2.1+deb12u3~1", sha256 } },
  images: { "base.tar": `sha256:${sha256}` },
};

test("names a lock file after its recipe", () => {
  expect(["/a/mine.yaml", "b.yml", "c.json", "d"].map(lockPath)).toEqual([
    "/a/mine.lock.json",
    "b.lock.json",
    "c.lock.json",
    "d.lock.json",
  ]);
});

describe("a lock file", () => {
  let path = "";
  beforeEach(async () => {
    path = join(await mkdtemp(join(tmpdir(), "guestd-lock-")), "mine.lock.json");
  });
  afterEach(() => rm(join(path, ".."), { recursive: true }));

  test("can be read back, and can be missing", async () => {
    expect(await readLock(path)).toBeUndefined();
    for (const lock of [LOCK, { ...LOCK, kernel: undefined }]) {
      await writeFile(path, JSON.stringify(lock));
      expect(await readLock(path)).toEqual(JSON.parse(JSON.stringify(lock)));
    }
  });

  test.each([
    "{",
    "[]",
    "null",
    JSON.stringify({ ...LOCK, format: 2 }),
    JSON.stringify({ ...LOCK, packages: { jq: { version: "1", sha256: "../../x" } } }),
    JSON.stringify({ ...LOCK, packages: { "../x": { version: "1", sha256 } } }),
    JSON.stringify({ ...LOCK, packages: { jq: { version: "-o x", sha256 } } }),
    JSON.stringify({ ...LOCK, closures: { jq: "jq" } }),
    JSON.stringify({ ...LOCK, closures: { jq: ["--option"] } }),
    JSON.stringify({ ...LOCK, kernel: { release: "../x", sha256 } }),
  ])("is refused in one line if it is invalid: %s", async (text) => {
    await writeFile(path, text);
    await expect(readLock(path)).rejects.toThrow(/^lock file \S+: [^\n]*: recreate it with --update$/);
  });
});

test("names the first difference, with both values", () => {
  const changed = { ...LOCK, packages: { ...LOCK.packages, jq: { version: "1.7", sha256 } } };
  expect(() => refuseDifference(LOCK, LOCK, "mine.lock.json")).not.toThrow();
  expect(() => refuseDifference(changed, LOCK, "/x/mine.lock.json")).toThrow(
    "lock file mine.lock.json: packages jq version is 1.7 now, and 1:1.6-2.1+deb12u3~1 in the lock: use --update",
  );
  const { kernel: _kernel, ...none } = LOCK;
  expect(() => refuseDifference(none, LOCK, "mine.lock.json")).toThrow(/ kernel is nothing now, and \{"release":/);
});
