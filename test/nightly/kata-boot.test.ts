import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestKernel } from "../../rootfs-builder/debian/kernel-package.ts";
import { type CpioEntry, cpioArchive } from "../../rootfs-builder/initramfs/cpio.ts";
import { bootModules } from "../../rootfs-builder/initramfs/initramfs.ts";
import { resolveModules } from "../../rootfs-builder/initramfs/modules.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { hosts } from "../hosts/hosts.ts";
import { bootsForKata } from "../vm/testing/kata-boot-suite.ts";

const roots = ["pmem", "disk", "initrd"] as const;
const root = join(import.meta.dirname, "../..");
const IMAGE = "kata/kata-guestd.img";
const INITRD = "kata/kata-guestd-initrd.img";

async function build(to: string, ...options: readonly string[]): Promise<void> {
  const formats = ["--format", "kata-image", "--format", "kata-initrd"];
  const builder = join(root, "rootfs-builder/build.ts");
  await promisify(execFile)(process.execPath, [builder, "--to", to, "--debug", ...formats, ...options]);
}

const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

/**
 * Returns the initrd followed by an archive with the modules for a kernel without built-in drivers. Kernels unpack one
 * archive after the other.
 */
async function withModules(initrd: string): Promise<Buffer> {
  const { modules: directory } = await guestKernel(undefined);
  const modules = (await resolveModules(directory, bootModules({}))).map(({ name, content }): CpioEntry => {
    return { path: `usr/lib/modules/${name}.ko`, type: "file", mode: 0o444, content };
  });
  const list = Buffer.from(modules.map(({ path }) => `/${path}\n`).join(""));
  const first = readFileSync(initrd);
  return Buffer.concat([
    first,
    Buffer.alloc((4 - (first.length % 4)) % 4),
    cpioArchive([...modules, { path: "guestd-modules", type: "file", mode: 0o444, content: list }]),
  ]);
}

describe("image and initrd for Kata hosts", () => {
  let directory = "";
  const inIt = (path: string) => join(directory, path);
  beforeAll(async () => {
    directory = makeWorkDirectory("kata-boot");
    await build(inIt("one"));
    await build(inIt("plain"), "--no-dax-header");
    writeFileSync(inIt("initrd"), await withModules(inIt(`one/${INITRD}`)));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("have the same bytes if they are built in another folder", async () => {
    await build(inIt("another/folder"));
    for (const name of [IMAGE, INITRD]) {
      expect(digest(inIt(`another/folder/${name}`)), name).toBe(digest(inIt(`one/${name}`)));
    }
  });

  /**
   * Path of a kernel such as Kata's own, /opt/kata/share/kata-containers/vmlinux.container. The image is then booted
   * without an initramfs.
   */
  const kernel = process.env["GUESTD_KATA_KERNEL"];
  const pairs = hosts.flatMap(([host]) => roots.map((root) => [host, root] as const));
  it.skipIf(kernel === undefined).each(pairs)(
    "boot for %s from %s with the kernel of GUESTD_KATA_KERNEL, run a container and power off",
    async (host, kind) => {
      await bootsForKata(host, kind, { kernel, image: inIt(`one/${IMAGE}`), initrd: inIt(`one/${INITRD}`) });
    },
  );

  it.each([
    ["go-shim", "pmem", "one"],
    ["runtime-rs", "pmem", "one"],
    ["runtime-rs", "disk", "one"],
    ["go-shim", "disk", "plain"],
    ["go-shim", "initrd", "one"],
    ["runtime-rs", "initrd", "one"],
  ] as const)("boot for %s from %s (%s), run a container and power off", async (host, kind, built) => {
    await bootsForKata(host, kind, { image: inIt(`${built}/${IMAGE}`), initrd: inIt("initrd") });
  });
});
