import { expect, test } from "vitest";
import { kernelImage } from "./kernel-image.ts";

test("reads at most 400 characters of a kernel's version, even without a NUL byte", () => {
  const kernel = Buffer.alloc(1 << 20, "6");
  kernel.write("HdrS", 0x202, "latin1");
  kernel.writeUInt16LE(0xaa55, 0x1fe);
  kernel.writeUInt16LE(0x100, 0x20e);
  expect(kernelImage(kernel).banner).toHaveLength(400);
});
