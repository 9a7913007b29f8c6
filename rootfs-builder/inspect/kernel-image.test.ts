import { expect, test } from "vitest";
import { kernelImage } from "./kernel-image.ts";

test("a kernel's version is not read to the next NUL byte, wherever that is", () => {
  const kernel = Buffer.alloc(1 << 20, "6");
  kernel.write("HdrS", 0x202, "latin1");
  kernel.writeUInt16LE(0xaa55, 0x1fe);
  kernel.writeUInt16LE(0x100, 0x20e);
  expect(kernelImage(kernel).banner).toHaveLength(400);
});
