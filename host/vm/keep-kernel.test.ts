import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { keepKernel } from "./keep-kernel.ts";
import { chosenKernel } from "./paths.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-kernel-"));
  vi.stubEnv("GUESTD_CACHE", join(directory, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** Writes an x86 kernel's header with a version, and returns its path. */
function bzImage(version: string): string {
  const bytes = Buffer.alloc(0x1000);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write("HdrS", 0x202, "latin1");
  bytes.writeUInt16LE(0x600, 0x20e);
  bytes.write(`${version} (builder@host)\0`, 0x800, "latin1");
  const path = join(directory, `bzImage-${version}`);
  writeFileSync(path, bytes);
  return path;
}

test("a kept kernel is chosen before newer ones, with its modules", async () => {
  expect(chosenKernel()).toBeUndefined();
  await keepKernel(bzImage("7.0.0"));
  const modules = join(directory, "modules");
  mkdirSync(join(modules, "kernel"), { recursive: true });
  writeFileSync(join(modules, "kernel/a.ko"), "module");
  expect(await keepKernel(bzImage("6.12.9"), modules)).toBe("6.12.9");
  const kernel = chosenKernel();
  expect(kernel?.version).toBe("6.12.9");
  expect(readFileSync(kernel?.kernel ?? "").equals(readFileSync(bzImage("6.12.9")))).toBe(true);
  expect(readFileSync(join(kernel?.modules ?? "", "kernel/a.ko"), "utf8")).toBe("module");
});

test("a kernel that is kept again loses its old modules", async () => {
  const modules = join(directory, "modules");
  mkdirSync(join(modules, "kernel"), { recursive: true });
  await keepKernel(bzImage("6.12.9"), modules);
  await keepKernel(bzImage("6.12.9"));
  expect(existsSync(chosenKernel()?.modules ?? "")).toBe(false);
});

test("a file that isn't a kernel, or a wrong folder of modules, is refused in one line", async () => {
  const text = join(directory, "text");
  writeFileSync(text, "no kernel");
  await expect(keepKernel(text)).rejects.toThrow(
    `kernel ${text}: it is not a bootable kernel; give a bzImage or an arm64 Image`,
  );
  await expect(keepKernel(join(directory, "none"))).rejects.toThrow(/^kernel .+none: no such file; give a bzImage/);
  await expect(keepKernel(directory)).rejects.toThrow(/^kernel .+: it is a folder; give a bzImage/);
  await expect(keepKernel(bzImage("6.12.9"), directory)).rejects.toThrow(
    `modules ${directory}: it has no folder kernel; give the kernel's lib/modules/6.12.9`,
  );
  expect(chosenKernel()).toBeUndefined();
});

test("a kernel that ends within its header is refused", async () => {
  const path = bzImage("6.12.9");
  writeFileSync(path, readFileSync(path).subarray(0, 0x206));
  await expect(keepKernel(path)).rejects.toThrow(`kernel ${path}: it is not a bootable kernel; `);
});

test("a kernel for another architecture is refused", async () => {
  const image = Buffer.alloc(0x1000);
  image.write("MZ", 0, "latin1");
  image.write("ARM\x64", 56, "latin1");
  image.write("Linux version 6.12.9 (builder@host)\0", 0x800, "latin1");
  const arm64 = join(directory, "Image");
  writeFileSync(arm64, image);
  const other = process.arch === "x64" ? arm64 : bzImage("6.12.9");
  await expect(keepKernel(other)).rejects.toThrow(
    `kernel ${other}: it is for ${process.arch === "x64" ? "arm64" : "x64"}; give one for this machine, ${process.arch}`,
  );
});

test("a cache that can't be written is named, with the remedy", async () => {
  const kernel = bzImage("6.12.9");
  const cache = join(directory, "cache");
  writeFileSync(cache, "");
  await expect(keepKernel(kernel)).rejects.toThrow(
    `write to ${cache}/kernel: a part of its path is a file; make it writable, or set GUESTD_CACHE to another folder`,
  );
});

const isOurs = isRoot() ? "" : " (skipped: needs root, to be another user)";

test.skipIf(!isRoot())(`a kernel or cache without permission is refused in one line${isOurs}`, () => {
  // The folder of other tests is closed to other users.
  rmSync(directory, { recursive: true });
  directory = mkdtempSync("/tmp/guestd-kernel-");
  const kernel = bzImage("6.12.9");
  chmodSync(directory, 0o755);
  chmodSync(kernel, 0o600);
  const setup = (cache: string) => {
    // Another user once everything is loaded, which may be where only root can read.
    const program = `import { keepKernel } from "${import.meta.resolve("./keep-kernel.ts")}";
      process.setgroups([]);
      process.setgid(65534);
      process.setuid(65534);
      await keepKernel("${kernel}").catch((error) => console.log(error.message));`;
    const env = { PATH: process.env["PATH"], GUESTD_CACHE: cache };
    return spawnSync(process.execPath, ["--input-type=module", "--eval", program], { env, encoding: "utf8" }).stdout;
  };
  expect(setup("/nowhere")).toBe(
    `kernel ${kernel}: permission denied; make it readable with sudo chmod a+r, or give a copy\n`,
  );
  chmodSync(kernel, 0o644);
  expect(setup(join(directory, "closed"))).toBe(
    `write to ${directory}/closed/kernel: permission denied; make it writable, or set GUESTD_CACHE to another folder\n`,
  );
});
