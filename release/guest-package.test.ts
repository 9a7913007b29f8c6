import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { unpackGuest } from "../host/vm/installed-guest.ts";
import { type GuestManifest, INITRAMFS, ROOT_IMAGE } from "../lib/guest-manifest.ts";
import { packageRoot } from "../lib/package-root.ts";
import { crateSource } from "./crates.ts";
import { guestDescription, guestPackageFiles } from "./guest-package.ts";
import { npmTarball } from "./npm-tarball.ts";
import type { PackageFile } from "./package-file.ts";
import { crate } from "./testing/crate.ts";

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

/** Stands for the host's programs, which only a release builds. */
const programs = {
  files: [{ path: "virtiofsd", mode: 0o755, content: Buffer.from("a program") }],
  sources: [
    crateSource(crate("virtiofsd", "1.14.0", "Apache-2.0 AND BSD-3-Clause"), "virtiofsd"),
    crateSource(crate("libc", "0.2.177", "MIT/Apache-2.0"), "virtiofsd"),
  ],
  notices: "licences of virtiofsd",
};

/** Builds the package around the small image. Debian's packages come from the real cache. */
async function build(): Promise<readonly PackageFile[]> {
  vi.unstubAllEnvs();
  const { files } = await guestPackageFiles(packageRoot(), "1.2.3", programs, join(directory, "root.img"));
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
    ...["LICENSE", "README.md", "THIRD-PARTY-NOTICES.txt", "busybox.tar", ROOT_IMAGE, "init", INITRAMFS],
    ...["manifest.json", "monitor", "package.json", "sbom.cdx.json", "seccomp.node", "sys.node", "virtiofsd"],
  ]);
  expect(brotliDecompressSync(contentOf(files, ROOT_IMAGE)).equals(image)).toBe(true);
  expect(contentOf(files, "sbom.cdx.json").toString()).not.toMatch(/linux-image|vmlinuz/);
  expect(contentOf(files, "sbom.cdx.json").toString()).toContain("pkg:deb/debian/busybox-static@");
  const { components, dependencies } = JSON.parse(contentOf(files, "sbom.cdx.json").toString());
  expect(components).toContainEqual({
    ...{ type: "library", "bom-ref": "cargo:libc@0.2.177", name: "libc", version: "0.2.177" },
    ...{ purl: "pkg:cargo/libc@0.2.177", licenses: [{ expression: "MIT OR Apache-2.0" }] },
  });
  const ofProgram = ["cargo:libc@0.2.177", "cargo:virtiofsd@1.14.0"];
  expect(dependencies).toContainEqual({ ref: "file:virtiofsd", dependsOn: ofProgram });
  const manifest: GuestManifest = JSON.parse(contentOf(files, "manifest.json").toString());
  expect(manifest.files.map(({ name }) => name)).toContain("virtiofsd");
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
