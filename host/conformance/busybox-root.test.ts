import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isStatic } from "./busybox-root.ts";

/** Returns an ELF header with program headers of these types. */
function elf(...types: number[]): Buffer {
  const file = Buffer.alloc(64 + 56 * types.length);
  file.write("\x7fELF", "latin1");
  file[4] = 2;
  file[5] = 1;
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(types.length, 56);
  for (const [at, type] of types.entries()) file.writeUInt32LE(type, 64 + 56 * at);
  return file;
}

test("a program without an interpreter is static", () => {
  expect(isStatic(elf(1, 2))).toBe(true);
  expect(isStatic(elf(1, 3, 2))).toBe(false);
  expect(isStatic(readFileSync(process.execPath))).toBe(false);
});

test("a script or a cut file is not", () => {
  expect(isStatic(Buffer.from("#!/bin/sh\n"))).toBe(false);
  expect(isStatic(elf(1, 2).subarray(0, 100))).toBe(false);
});
