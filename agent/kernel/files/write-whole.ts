import type { Served } from "./contained-files.ts";
import { FILE_DATA } from "./file-protocol.ts";
import type { Handle } from "./served-files.ts";

/** Writes all bytes, by calls that are made at once. */
export async function writeWhole(files: Served, handle: Handle, bytes: Uint8Array, position: number): Promise<void> {
  await Promise.all(stepsOf(bytes.length).map((start) => files.write(handle, bytes.subarray(start), position + start)));
}

/** Returns the offsets of the messages that so many bytes take. */
export function stepsOf(length: number): number[] {
  return Array.from({ length: Math.max(1, Math.ceil(length / FILE_DATA)) }, (_, index) => index * FILE_DATA);
}
