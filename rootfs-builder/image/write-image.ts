import { open, readFile, truncate } from "node:fs/promises";
import { type DiskOptions, diskLayout } from "./disk-image.ts";

const CHUNK = 1024 * 1024;

/** Writes the disk image `target` around a file system; blocks of zeros stay holes. Gives the size of the whole in bytes. */
export async function writeDiskImage(fileSystem: string, target: string, options: DiskOptions = {}): Promise<number> {
  const content = await readFile(fileSystem);
  const { size, fileSystemOffset, parts } = diskLayout(content.length, options);
  const file = await open(target, "wx", 0o644);
  try {
    for (const { offset, bytes } of parts) await file.write(bytes, 0, bytes.length, offset);
    const zeros = Buffer.alloc(CHUNK);
    for (let at = 0; at < content.length; at += CHUNK) {
      const chunk = content.subarray(at, at + CHUNK);
      if (!chunk.equals(zeros.subarray(0, chunk.length)))
        await file.write(chunk, 0, chunk.length, fileSystemOffset + at);
    }
  } finally {
    await file.close();
  }
  await truncate(target, size);
  return size;
}
