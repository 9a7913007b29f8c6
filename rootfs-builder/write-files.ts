import { type FileHandle, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withTemporary } from "./with-temporary.ts";

/**
 * Writes all bytes at an offset of the file. When a disk fills up, one write only reports a shorter length; the next
 * one fails.
 */
export async function writeAll(file: Pick<FileHandle, "write">, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}

/** Creates a file by rename, once `write` has completed it. */
export async function writeByRename(target: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await withTemporary(dirname(target), async (work) => {
    await write(join(work, "output"));
    await rename(join(work, "output"), target);
  });
}

/** Writes a value as JSON, by rename. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeByRename(path, (temporary) => writeFile(temporary, `${JSON.stringify(value, undefined, 1)}\n`));
}
