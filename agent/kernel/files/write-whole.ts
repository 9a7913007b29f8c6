import type { Served } from "./contained-files.ts";
import { FILE_DATA } from "./file-protocol.ts";
import type { Handle } from "./served-files.ts";

/** Writes bytes by calls that are made at once; resolves with the number of bytes up to the first short one. */
export async function writePart(files: Served, handle: Handle, bytes: Uint8Array, position: number): Promise<number> {
  const written = await Promise.all(
    stepsOf(bytes.length).map((start) => files.write(handle, bytes.subarray(start), position + start)),
  );
  let length = 0;
  for (const count of written) {
    length += count;
    if (count < FILE_DATA) break;
  }
  return length;
}

/** Writes all bytes. */
export async function writeWhole(files: Served, handle: Handle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += await writePart(files, handle, bytes.subarray(done), position + done);
}

/** Returns the offsets of the messages that so many bytes take. */
export function stepsOf(length: number): number[] {
  return Array.from({ length: Math.max(1, Math.ceil(length / FILE_DATA)) }, (_, index) => index * FILE_DATA);
}
