import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory, treeOf } from "../../../image/testing/tree.ts";
import { copyPauseImage } from "./pause-image.ts";

test("the pause container's root is copied with its links", async () => {
  using temporary = temporaryDirectory();
  const bundle = join(temporary.path, "pause_bundle");
  mkdirSync(join(bundle, "rootfs/bin"), { recursive: true });
  writeFileSync(join(bundle, "config.json"), "{}");
  writeFileSync(join(bundle, "rootfs/pause"), "program");
  chmodSync(join(bundle, "rootfs/pause"), 0o755);
  symlinkSync("../pause", join(bundle, "rootfs/bin/pause"));
  const rootfs = join(temporary.path, "rootfs");
  mkdirSync(rootfs);
  await copyPauseImage(rootfs, bundle);
  expect(treeOf(rootfs)).toEqual({ "bin/": "", "bin/pause": "-> ../pause", pause: "program" });
  expect(statSync(join(rootfs, "pause")).mode & 0o777).toBe(0o755);
});

test("a guest image without a pause bundle is reported", async () => {
  await expect(copyPauseImage("/nonexistent", "/nonexistent/pause_bundle")).rejects.toThrow(
    "pause image: the guest's image has no directory /nonexistent/pause_bundle/rootfs; ",
  );
});
