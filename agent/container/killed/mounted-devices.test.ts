import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { realFiles } from "../../kernel/files.ts";
import { devicesIn, mountedDevices } from "./mounted-devices.ts";

test("devices of a mount table have the numbers of FUSE connections", () => {
  const table = [
    "79 82 0:55 / /run/lower rw,relatime - fuse held rw,user_id=0,group_id=0",
    "80 82 8:17 / /a\\040 rw shared:1 - fuseblk /dev/sdb1 rw",
    "",
  ].join("\n");
  expect(devicesIn(table)).toEqual([55, 8 * 1_048_576 + 17]);
});

test("devices of processes are those of their threads' mount tables; one that has ended has none", async () => {
  const proc = /^.* \/ \/proc .*$/m.exec(readFileSync("/proc/self/mountinfo", "utf8"));
  const [device] = devicesIn(proc?.[0] ?? "");
  expect(await mountedDevices(realFiles, [process.pid])).toContain(device);
  expect(await mountedDevices(realFiles, ["4194305"])).toEqual(new Set());
});
