import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Flips one bit of a file. */
export function flipByte(file: string, offset: number): void {
  const descriptor = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, offset);
  writeSync(descriptor, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, offset);
  closeSync(descriptor);
}
