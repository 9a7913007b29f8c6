import { statfsSync } from "node:fs";
import { expect, test } from "vitest";
import { openSys } from "../kernel/sys/sys.ts";
import { containedDouble } from "../kernel/testing/contained-double.ts";
import { volumeStats } from "./volume-stats.ts";

const contained = containedDouble(openSys());

test("volume statistics equal those of statfs", async () => {
  const { bytes, inodes } = await volumeStats(contained, "/proc");
  expect([bytes, inodes].every(({ total, used }) => used <= total)).toBe(true);
  const root = await volumeStats(contained, "/");
  const { blocks, bsize, files } = statfsSync("/");
  expect([root.bytes.total, root.inodes.total]).toEqual([blocks * bsize, files]);
  expect(root.bytes.used).toBeGreaterThan(0);
  expect(root.bytes.used + root.bytes.available).toBeLessThanOrEqual(root.bytes.total);
});

test("a missing or invalid path is named", async () => {
  await expect(volumeStats(contained, "/nonexistent/volume")).rejects.toThrow("statfs /nonexistent/volume: ENOENT");
  await expect(volumeStats(contained, "volume")).rejects.toMatchObject({ kind: "invalid-argument" });
});
