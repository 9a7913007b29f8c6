import type { FileHandle } from "node:fs/promises";

/** Writes all bytes at a place of the file. One write on a disk that gets full tells only how many it took; the next one fails. */
export async function writeAll(file: Pick<FileHandle, "write">, bytes: Uint8Array, place: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, place + done)).bytesWritten;
  }
}
