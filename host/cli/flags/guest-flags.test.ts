import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkTemplateFlags, guestImage, guestSize } from "./guest-flags.ts";

test("sizes a guest for its container's limits", () => {
  expect(guestSize({})).toEqual({ memoryMib: 512, cpus: 1 });
  expect(guestSize({}, { memory: 2 ** 20, cpus: 0.5 })).toEqual({ memoryMib: 512, cpus: 1 });
  expect(guestSize({}, { memory: 2 ** 30, cpus: 1.5 })).toEqual({ memoryMib: 1280, cpus: 2 });
});

test("prefers the size given for the guest", () => {
  expect(guestSize({ vmMemory: 200, vmCpus: 4 }, { memory: 2 ** 30, cpus: 1 })).toEqual({ memoryMib: 200, cpus: 4 });
});

test("names the folder, the missing file, and how to build an image there", () => {
  const folder = mkdtempSync(join(tmpdir(), "vm-image-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const missing = (file: string) => {
    const how = `build one there with "guestctl image build RECIPE --to ${folder}"`;
    return `--vm-image ${folder}: the folder has no guest image (image/${file} is missing); ${how}`;
  };
  expect(() => guestImage({ vmImage: folder })).toThrow(missing("vmlinuz"));
  mkdirSync(join(folder, "image"));
  for (const file of ["vmlinuz", "initrd.cpio"]) writeFileSync(join(folder, "image", file), "");
  expect(() => guestImage({ vmImage: folder })).toThrow(missing("guest.img"));
  writeFileSync(join(folder, "image/guest.img"), "");
  expect(guestImage({ vmImage: folder }).initrd).toBe(join(folder, "image/initrd.cpio"));
});

test("a template's guest can't have flags of the machine, which are named", () => {
  expect(() => checkTemplateFlags("run", { template: "box" })).not.toThrow();
  expect(() => checkTemplateFlags("run", { vmMemory: 512 })).not.toThrow();
  const flags = { template: "box", vmMemory: 512, kernelArgs: ["quiet"] };
  expect(() => checkTemplateFlags("run", flags)).toThrow(
    "run: --vm-memory, --kernel-args can't be combined with --template; give them to guestctl template create",
  );
});
