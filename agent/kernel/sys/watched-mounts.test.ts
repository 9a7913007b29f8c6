import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { openSys } from "./sys.ts";
import { watchedMounts } from "./watched-mounts.ts";

describe("the mounts of the guest", () => {
  it.skipIf(!isRoot())(`are read once until a mount is added or removed${isRoot() ? "" : " (needs root)"}`, () => {
    let reads = 0;
    const mounts = watchedMounts(openSys().changed, (path) => {
      reads++;
      return readFileSync(path, "utf8");
    });
    const place = mkdtempSync(join(tmpdir(), "guestd-mounts-"));
    const has = () => mounts().includes(` ${place} `);
    expect([has(), has(), has()]).toEqual([false, false, false]);
    execFileSync("mount", ["-t", "tmpfs", "none", place]);
    try {
      expect([has(), has()]).toEqual([true, true]);
    } finally {
      execFileSync("umount", [place]);
    }
    expect(has()).toBe(false);
    // Other processes on this machine may have mounted something meanwhile.
    expect(reads).toBeGreaterThanOrEqual(3);
    rmdirSync(place);
  });

  it("are read once while the kernel reports no change", () => {
    let reads = 0;
    const changes = [false, false, true, false];
    const mounts = watchedMounts(
      () => changes.shift() ?? false,
      () => `read ${++reads}`,
    );
    expect([1, 2, 3, 4].map(() => mounts())).toEqual(["read 1", "read 1", "read 2", "read 2"]);
  });

  it("are read each time when the kernel can't be asked, or a read failed", () => {
    let reads = 0;
    const refuse = () => {
      throw new Error("poll: EPERM");
    };
    const mounts = watchedMounts(refuse, () => `read ${++reads}`);
    expect([mounts(), mounts()]).toEqual(["read 1", "read 2"]);
    const failing = watchedMounts(
      () => false,
      () => {
        if (++reads === 3) throw new Error("EMFILE");
        return `read ${reads}`;
      },
    );
    expect(failing).toThrow("EMFILE");
    expect(failing()).toBe("read 4");
  });
});
