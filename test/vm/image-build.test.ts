import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryRoot as root } from "../../host/vm/paths.ts";
import { buildTasks } from "../../rootfs-builder/build-image.ts";
import { openContext } from "../../rootfs-builder/steps/context.ts";
import { rootTree } from "../../rootfs-builder/steps/root-tree.ts";
import { privilegedFiles } from "../../rootfs-builder/tree/privileged-files.ts";

const BUILT = join(root, "build");

describe("the image that `npm run build` has built", () => {
  test("isn't built again if nothing has changed", async () => {
    for (const task of await buildTasks({ root, to: BUILT })) expect(await task.run(), task.name).toBe(false);
  });

  test("has no shell, no setuid file and no package manager", async () => {
    const { tree } = await rootTree(await openContext({ root, to: BUILT }));
    const names = [...tree.keys()].map((path) => basename(path));
    expect(names).toContain("node");
    const unwanted = /^(sh|bash|dash|ash|zsh|busybox|su|sudo|mount|dpkg|apt|apk|perl|python.*|modprobe|insmod|ssh.*)$/;
    expect(names.filter((name) => unwanted.test(name))).toEqual([]);
    expect(privilegedFiles(tree)).toEqual([]);
  });

  test("has 128 MiB", async () => {
    expect((await stat(join(BUILT, "image/guest.img"))).size).toBe(128 * 2 ** 20);
  });
});
