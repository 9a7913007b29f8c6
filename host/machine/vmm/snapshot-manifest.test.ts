import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { bootFiles, checkedManifest, writeManifest } from "./snapshot-manifest.ts";
import { testFolder } from "./testing/vmm-folder.ts";

const FACTS = { epoch: 3, vmm: { name: "firecracker", version: "1.16.2" } };

/** Writes a snapshot with a manifest, and the kernel and the image that its guest booted from. */
async function snapshot(): Promise<{ folder: string; kernel: string; image: string }> {
  const root = testFolder();
  vi.stubEnv("GUESTD_CACHE", join(root, "cache"));
  const [folder, kernel, image] = [join(root, "s"), join(root, "vmlinux"), join(root, "image")];
  mkdirSync(folder);
  for (const path of [kernel, image, join(folder, "memory"), join(folder, "state")]) writeFileSync(path, path);
  await writeManifest(folder, { ...FACTS, ...(await bootFiles({ kernel, image })) });
  return { folder, kernel, image };
}

function edit(folder: string, change: object): void {
  const path = join(folder, "manifest.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
}

test("keeps epoch, VMM, processor, boot files with digests, and the sizes of the VMM's files", async () => {
  const { folder, kernel } = await snapshot();
  const manifest = await checkedManifest(folder);
  expect(manifest).toMatchObject({ ...FACTS, format: 1, kernel: { path: kernel } });
  expect(manifest.kernel?.digest).toMatch(/^[\da-f]{64}$/);
  expect(manifest.initrd).toBeUndefined();
  expect(manifest.processor).toMatch(/, flags [\da-f]{12}$/);
  expect(manifest.files).toEqual({ memory: join(folder, "memory").length, state: join(folder, "state").length });
  expect(statSync(join(folder, "manifest.json")).mode & 0o777).toBe(0o600);
});

test("refuses a boot file that has changed or is gone, a short file, and another processor", async () => {
  const { folder, kernel, image } = await snapshot();
  writeFileSync(image, "other");
  await expect(checkedManifest(folder)).rejects.toThrow(
    `clone of ${folder}: image ${image} has changed since; create it again`,
  );
  edit(folder, { image: undefined, kernel: { path: `${kernel}2`, digest: "" } });
  await expect(checkedManifest(folder)).rejects.toThrow(/kernel \S+vmlinux2: ENOENT.*; create it again$/);
  edit(folder, { kernel: undefined });
  truncateSync(join(folder, "memory"), 1);
  await expect(checkedManifest(folder)).rejects.toThrow(/memory had \d+ bytes, and has 1; create it again$/);
  edit(folder, { files: { state: statSync(join(folder, "state")).size, gone: 7 } });
  await expect(checkedManifest(folder)).rejects.toThrow("gone had 7 bytes, and has none; create it again");
  edit(folder, { processor: "Old, flags 0" });
  await expect(checkedManifest(folder)).rejects.toThrow("its processor was Old, flags 0, and this one is ");
});

test("refuses a folder without a manifest, with half of one, or with QEMU's", async () => {
  const { folder } = await snapshot();
  edit(folder, { vmm: undefined, qemu: "7.2" });
  await expect(checkedManifest(folder)).rejects.toThrow("its manifest is damaged, of another format or of QEMU");
  edit(folder, { format: 2 });
  await expect(checkedManifest(folder)).rejects.toThrow("its manifest is damaged, of another format or of QEMU");
  writeFileSync(join(folder, "manifest.json"), '{"format":');
  await expect(checkedManifest(folder)).rejects.toThrow(`clone of ${folder}: no complete snapshot (Unexpected end`);
  await expect(checkedManifest("/none")).rejects.toThrow(
    /^clone of \/none: no complete snapshot \(ENOENT: .*\); create/,
  );
});

test("names a boot file that can't be read before anything is done", async () => {
  vi.stubEnv("GUESTD_CACHE", testFolder());
  await expect(bootFiles({ initrd: "/none" })).rejects.toThrow(
    /^snapshot: initrd \/none: ENOENT: .*; name the guest's initrd$/,
  );
});
