import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { buildInitramfs } from "./initramfs.ts";

const MODULES = ["virtio", "erofs"].map((name) => ({ name, path: `kernel/${name}.ko`, content: Buffer.from(name) }));

describe("buildInitramfs", () => {
  test("contains init, the modules, and their list in loading order", async () => {
    const archive = buildInitramfs({ init: Buffer.from("init"), modules: MODULES });
    const extract = (name: string) =>
      spawnSync("cpio", ["-i", "--to-stdout", "--quiet", "-H", "newc", name], { input: archive }).stdout.toString();
    expect(extract("guestd-modules")).toBe("/lib/modules/virtio.ko\n/lib/modules/erofs.ko\n");
    expect(extract("lib/modules/erofs.ko")).toBe("erofs");
    expect(extract("init")).toBe("init");
  });

  test("gives equal bytes when built twice", async () => {
    const options = { init: Buffer.from("init"), modules: MODULES };
    expect(buildInitramfs(options).equals(buildInitramfs(options))).toBe(true);
  });
});
