import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debianPackage } from "../debian/debian-package.ts";
import { guestKernel } from "../debian/kernel-package.ts";
import { packageFacts } from "../debian/package-facts.ts";
import { hashFile } from "../digest.ts";
import { buildInitramfs } from "../initramfs/initramfs.ts";
import { resolveModules } from "../initramfs/modules.ts";
import { rootInitrd } from "../initramfs/root-initrd.ts";
import type { Tree } from "../tree/tree.ts";
import { describeBoot } from "./describe-boot.ts";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "guestd-boot-"));
});
afterAll(() => rm(directory, { recursive: true }));

test.each([true, false])("attributes the kernel to the package of its modules, with signatures: %s", async (signed) => {
  const { release, image, modules: folder } = await guestKernel();
  const modules = await resolveModules(folder, ["libcrc32c"], { signed });
  const initrd = join(directory, "initrd.cpio");
  await writeFile(initrd, buildInitramfs({ init: Buffer.from("init"), modules }));
  const found = await debianPackage(`linux-image-${release}`);
  const files = await describeBoot({ kernel: image, initrd, whole: false }, [
    await packageFacts(found, await hashFile(found.file)),
  ]);
  const from = `deb:linux-image-${release}`;
  expect(files.map((file) => [file.path.replace(/.*[:/]/, "").replace(/-\d.*/, ""), file.from])).toEqual([
    ["vmlinuz", from],
    ["init", "guestd"],
    ["guestd-modules", "guestd"],
    ["libcrc32c.ko", from],
  ]);
});

test("describes only entries that are not in the root, for an initramfs that is the whole root", async () => {
  const [kernel, initrd] = [join(directory, "vmlinuz"), join(directory, "root.cpio.gz")];
  await writeFile(kernel, "kernel");
  const tree: Tree = new Map([["note", { type: "file", mode: 0o644, content: Buffer.from("text") }]]);
  await writeFile(initrd, await rootInitrd(tree));
  expect((await describeBoot({ kernel, initrd, whole: true }, [])).map(({ path }) => path)).toEqual(["vmlinuz"]);
});

test("describes a kernel alone, and prefixes both with their folder", async () => {
  const [kernel, initrd] = [join(directory, "vmlinuz"), join(directory, "initrd.cpio")];
  await writeFile(kernel, "kernel");
  await writeFile(initrd, await buildInitramfs({ init: Buffer.from("init"), modules: [] }));
  const told = async (initramfs: string | undefined) =>
    (await describeBoot({ kernel, initrd: initramfs, whole: false, below: "qemu/" }, [])).map(({ path }) => path);
  expect(await told(undefined)).toEqual(["qemu/vmlinuz"]);
  expect(await told(initrd)).toEqual(["qemu/vmlinuz", "qemu/initrd.cpio:init", "qemu/initrd.cpio:guestd-modules"]);
});
