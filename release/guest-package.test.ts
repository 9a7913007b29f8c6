import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { unpackGuest } from "../host/machine/installed-guest.ts";
import { type GuestManifest, INITRAMFS, ROOT_IMAGE } from "../lib/guest-manifest.ts";
import { packageRoot } from "../lib/package-root.ts";
import { guestDescription, guestPackageFiles } from "./guest-package.ts";
import { npmTarball } from "./npm-tarball.ts";
import type { PackageFile } from "./package-file.ts";

const MIB = 1024 * 1024;
const KERNEL = { version: "6.1.0", kernel: "", modules: "/does/not/exist" };
/** A small root image: it begins and ends with data, with a hole between. */
const image = Buffer.concat([Buffer.alloc(1000, "a"), Buffer.alloc(4 * MIB), Buffer.alloc(1000, "z")]);

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-guest-package-"));
  writeFileSync(join(directory, "root.img"), image);
  vi.stubEnv("GUESTD_CACHE", join(directory, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** Builds the package around the small image. Debian's packages come from the real cache. */
async function build(): Promise<readonly PackageFile[]> {
  vi.unstubAllEnvs();
  const { files } = await guestPackageFiles(packageRoot(), "1.2.3", join(directory, "root.img"));
  vi.stubEnv("GUESTD_CACHE", join(directory, "cache"));
  return files;
}

function contentOf(files: readonly PackageFile[], path: string): Buffer {
  return files.find((file) => file.path === path)?.content ?? Buffer.alloc(0);
}

/** Writes the package as npm installs it. */
function install(files: readonly PackageFile[]): string {
  const target = join(directory, "installed");
  mkdirSync(target);
  for (const { path, content } of files) writeFileSync(join(target, path), content);
  return target;
}

test("the guest package is the same when it is built twice, and has no kernel", async () => {
  const files = await build();
  expect((await npmTarball(await build())).equals(await npmTarball(files))).toBe(true);
  expect(files.map(({ path }) => path).sort()).toEqual([
    ...["LICENSE", "README.md", "busybox.tar", ROOT_IMAGE, "init", INITRAMFS],
    ...["manifest.json", "package.json", "sbom.cdx.json", "seccomp.node", "sys.node"],
  ]);
  expect(brotliDecompressSync(contentOf(files, ROOT_IMAGE)).equals(image)).toBe(true);
  expect(contentOf(files, "sbom.cdx.json").toString()).not.toMatch(/linux-image|vmlinuz/);
  expect(contentOf(files, "sbom.cdx.json").toString()).toContain("pkg:deb/debian/busybox-static@");
});

test("npm installs a guest package only on its architecture", () => {
  expect(JSON.parse(guestDescription("1.2.3", "arm64").content.toString())).toMatchObject({
    ...{ name: "guestd-guest-linux-arm64", version: "1.2.3", os: ["linux"], cpu: ["arm64"] },
  });
});

test("an installed guest is unpacked once, with holes, and its initramfs has no modules if the kernel has none", async () => {
  const files = await build();
  const target = install(files);
  const { image: unpacked, initrd } = await unpackGuest(target, KERNEL);
  expect(readFileSync(unpacked).equals(image)).toBe(true);
  expect(statSync(unpacked).blocks * 512).toBeLessThan(3 * MIB);
  expect(readFileSync(initrd).equals(contentOf(files, INITRAMFS))).toBe(true);
  const { ino } = statSync(unpacked);
  expect(statSync((await unpackGuest(target, KERNEL)).image).ino).toBe(ino);
});

test.each([ROOT_IMAGE, INITRAMFS])("a damaged %s is refused, and leaves nothing in the cache", async (name) => {
  const files = await build();
  const target = install(files);
  const manifest: GuestManifest = JSON.parse(contentOf(files, "manifest.json").toString());
  const other = manifest.files.map((file) =>
    file.name === name ? { ...file, sha256: "0".repeat(64), unpacked: { bytes: 1, sha256: "0".repeat(64) } } : file,
  );
  writeFileSync(join(target, "manifest.json"), JSON.stringify({ ...manifest, files: other }));
  await expect(unpackGuest(target, KERNEL)).rejects.toThrow(`${join(target, name)}: it is damaged`);
  expect(readdirSync(join(directory, "cache/guest"))).toEqual([]);
});
