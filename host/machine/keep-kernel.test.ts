import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
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
  await expect(keepKernel(join(directory, "none"))).rejects.toThrow(/^kernel \S+none: ENOENT; give the path of/);
  await expect(keepKernel(bzImage("6.12.9"), directory)).rejects.toThrow(
    `modules ${directory}: it has no folder kernel; give the kernel's lib/modules/6.12.9`,
  );
  expect(chosenKernel()).toBeUndefined();
});
