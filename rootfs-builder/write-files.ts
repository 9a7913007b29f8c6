import type { FileHandle } from "node:fs/promises";

/**
 * Writes all bytes at an offset of the file. When a disk fills up, one write only reports a shorter length; the next
 * one fails.
 */
export async function writeAll(file: Pick<FileHandle, "write">, bytes: Uint8Array, place: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, place + done)).bytesWritten;
  }
}
