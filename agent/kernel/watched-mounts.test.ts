import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openSys } from "./sys.ts";
import { watchedMounts } from "./watched-mounts.ts";

const turns = async () => {
  for (let turn = 0; turn < 3; turn++) await setImmediate();
};

const isRoot = process.getuid?.() === 0;

describe("the mounts of the guest", () => {
  it.skipIf(!isRoot)(`are read once until one more is there or gone${isRoot ? "" : " (needs root)"}`, async () => {
    let reads = 0;
    const mounts = watchedMounts(openSys(), (path) => {
      reads++;
      return readFileSync(path, "utf8");
    });
    const place = mkdtempSync(join(tmpdir(), "guestd-mounts-"));
    const has = () => mounts().includes(` ${place} `);
    has();
    await turns();
    const before = reads;
    expect([has(), has(), reads]).toEqual([false, false, before]);
    execFileSync("mount", ["-t", "tmpfs", "none", place]);
    try {
      await expect.poll(has).toBe(true);
    } finally {
      execFileSync("umount", [place]);
    }
    await expect.poll(has).toBe(false);
    rmdirSync(place);
  });
});

it("that change in the turn in which they were asked for are seen", async () => {
  let text = "before";
  const mounts = watchedMounts({ poll: () => new Promise(() => {}) }, () => text);
  expect(mounts()).toBe("before");
  text = "after";
  await turns();
  expect(mounts()).toBe("after");
});

it("are read each time where their file can't be waited for", async () => {
  let reads = 0;
  const mounts = watchedMounts({ poll: () => Promise.reject(new Error("EPERM")) }, () => `read ${++reads}`);
  mounts();
  await setImmediate();
  expect([mounts(), mounts()]).toEqual(["read 2", "read 3"]);
});
