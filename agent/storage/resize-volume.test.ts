import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { realFiles } from "../kernel/files.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { resizeVolume } from "./resize-volume.ts";

const kernel = { sys: openSys(), files: realFiles };
const MIB = 1 << 20;
const CAP_SYS_RESOURCE = 24;

function hasCapability(number: number): boolean {
  const held = /^CapEff:\s*(\w+)$/m.exec(realFiles.readText("/proc/self/status"))?.[1] ?? "0";
  return ((BigInt(`0x${held}`) >> BigInt(number)) & 1n) === 1n;
}

/** Returns the reason that tests with this file system can't run here, or undefined. */
function whyNot(type: "ext4" | "xfs"): string | undefined {
  if (!isRoot()) return "needs root";
  if (!existsSync("/dev/loop-control")) return "needs loop devices";
  if (spawnSync(`mkfs.${type}`, ["-V"]).error !== undefined) return `needs mkfs.${type}`;
  if (type === "ext4" && !hasCapability(CAP_SYS_RESOURCE)) return "needs CAP_SYS_RESOURCE";
  return realFiles.readText("/proc/filesystems").includes(`\t${type}\n`) ? undefined : `needs ${type} in the kernel`;
}

describe.each([
  ["ext4", 64 * MIB, ["-q"]],
  ["xfs", 320 * MIB, ["-q", "-f"]],
] as const)("a volume of %s", (type, size, options) => {
  const why = whyNot(type);
  const name = why === undefined ? "grows" : `grows (skipped: ${why})`;
  let directory = "";
  let device = "";
  const disk = () => join(directory, "disk");
  const volume = () => join(directory, "volume");
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: "utf8" }).trim();
  const bytes = () => {
    const { bsize, blocks } = statfsSync(volume());
    return bsize * blocks;
  };
  const enlarge = (to: number) => {
    truncateSync(disk(), to);
    run("losetup", "-c", device);
  };

  beforeEach(() => {
    if (why !== undefined) return;
    directory = mkdtempSync(join(tmpdir(), "guestd-volume-"));
    writeFileSync(disk(), "");
    truncateSync(disk(), size);
    mkdirSync(volume());
    run(`mkfs.${type}`, ...options, disk());
    device = run("losetup", "-f", "--show", disk());
    run("mount", "-t", type, device, volume());
  });
  afterEach(() => {
    if (why !== undefined) return;
    run("umount", volume());
    run("losetup", "-d", device);
    rmSync(directory, { recursive: true });
  });

  test.skipIf(why !== undefined)(`${name} to the requested size while in use, then to the whole device`, async () => {
    writeFileSync(join(volume(), "file"), "kept");
    const before = bytes();
    enlarge(2 * size);
    await resizeVolume(kernel, volume(), (3 * size) / 2);
    expect(bytes() - before).toBeGreaterThan(size * 0.4);
    expect(bytes()).toBeLessThan((3 * size) / 2);
    await resizeVolume(kernel, `${volume()}/`, 0);
    expect(bytes() - before).toBeGreaterThan(size * 0.9);
    await resizeVolume(kernel, volume(), 2 * size);
    expect(realFiles.readText(join(volume(), "file"))).toBe("kept");
  });

  test.skipIf(why !== undefined)(`${name} neither beyond its device nor down`, async () => {
    const before = bytes();
    await expect(resizeVolume(kernel, volume(), 2 * size)).rejects.toThrow(
      `${device} has ${size} bytes, fewer than the requested ${2 * size}`,
    );
    await expect(resizeVolume(kernel, volume(), size / 2)).rejects.toThrow("can't shrink");
    expect(bytes()).toBe(before);
  });
});

test.each([
  ["/proc", 0, "unimplemented", "resize volume /proc: proc is not supported, use ext4 or xfs"],
  ["/proc/self", 0, "invalid-argument", "resize volume /proc/self: it is not a mount point"],
  ["/proc", 2 ** 64, "invalid-argument", "resize volume /proc: size 18446744073709552000 is out of range"],
  ["x", 0, "invalid-argument", 'volume path "x" is not an absolute path'],
])("resizing %s to %d is refused", async (path, size, kind, message) => {
  await expect(resizeVolume(kernel, path, size)).rejects.toMatchObject({ kind, message });
});
