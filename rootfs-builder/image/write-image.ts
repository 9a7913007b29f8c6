import { open, readFile, truncate } from "node:fs/promises";
import { tellBytes } from "../progress.ts";
import { writeAll } from "../write-files.ts";
import { type DiskOptions, diskLayout } from "./disk-image.ts";

const CHUNK = 1024 * 1024;

export interface DiskPart {
  /** Offset in bytes from the start of the disk. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * Writes the disk image `target` around a file system; blocks of zeros become holes. Returns the total size in bytes.
 */
export async function writeDiskImage(fileSystem: string, target: string, options: DiskOptions = {}): Promise<number> {
  const content = await readFile(fileSystem);
  const { size, fileSystemOffset, parts } = diskLayout(content.length, options);
  await writeParts(target, size, [...parts, { offset: fileSystemOffset, bytes: content }]);
  return size;
}

/** Writes the new file `target` of `size` bytes. Gaps between parts, and blocks of zeros, become holes. */
export async function writeParts(target: string, size: number, parts: readonly DiskPart[]): Promise<void> {
  const zeros = Buffer.alloc(CHUNK);
  const total = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  let done = 0;
  const file = await open(target, "wx", 0o644);
  try {
    for (const { offset, bytes } of parts) {
      for (let at = 0; at < bytes.length; at += CHUNK) {
        const chunk = bytes.subarray(at, at + CHUNK);
        if (!chunk.equals(zeros.subarray(0, chunk.length))) await writeAll(file, chunk, offset + at);
        done += chunk.length;
        tellBytes(done, total);
      }
    }
  } finally {
    await file.close();
  }
  await truncate(target, size);
}
