import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { print } from "./print.ts";

const POLL_MS = 100;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 10;

/**
 * Prints a file, or its last lines, and everything appended to it until `ended` returns true, even if the file is removed meanwhile.
 * A program may rename it to FILE.1 when it is full, and begin another: FILE.1 is printed first. Rejects if the file can't be read.
 */
export async function followFile(
  path: string,
  ended: () => boolean,
  signal: AbortSignal,
  tail?: number,
): Promise<void> {
  const files = await openFiles(path);
  try {
    const start = tail === undefined ? undefined : await startOfLines(files, tail);
    for (const file of files.splice(0, start?.index)) await file.close();
    let at = start?.at ?? 0;
    for (let [file] = files; file !== undefined; [file] = files) {
      // Check before reading: everything had been written by then.
      const last = ended() || signal.aborted;
      at = await printFrom(file, at);
      if (files.length === 1) files.push(...(await nextFile(path, file)));
      if (files.length > 1) {
        // Once more, for what was written before the file was renamed.
        await printFrom(file, at);
        at = 0;
        await files.shift()?.close();
      } else if (last) return;
      else await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    for (const file of files) await file.close();
  }
}

async function printFrom(file: FileHandle, start: number): Promise<number> {
  for (let at = start; ; ) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return at;
    at += bytesRead;
    await print(buffer.subarray(0, bytesRead));
  }
}

/** Opens FILE.1, if it exists, and FILE, if it isn't just being renamed. */
async function openFiles(path: string): Promise<FileHandle[]> {
  for (;;) {
    const file = await openIfThere(path);
    const files = [...(await openIfThere(older(path))), ...file];
    const isSame = (await inode(path)) === (await file[0]?.stat())?.ino;
    if (isSame && files.length > 0) return files;
    for (const each of files) await each.close();
    if (isSame) return [await open(path)];
  }
}

/** Opens the file that follows one which was renamed; a slow reader may find that it was replaced in FILE.1 by a later one. */
async function nextFile(path: string, file: FileHandle): Promise<FileHandle[]> {
  const { ino } = await file.stat();
  const now = await inode(path);
  if (now === undefined || now === ino) return [];
  const next = await openIfThere(path);
  if ((await inode(older(path))) === ino) return next;
  for (const each of next) await each.close();
  return openIfThere(older(path));
}

function older(path: string): string {
  return `${path}.1`;
}

function openIfThere(path: string): Promise<FileHandle[]> {
  return open(path).then(
    (file) => [file],
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
}

function inode(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );
}

/** Returns in which of the files, and where, the last `count` lines of all begin. */
async function startOfLines(files: readonly FileHandle[], count: number): Promise<{ index: number; at: number }> {
  let left = count;
  // The newline at the very end belongs to the last line.
  let skipped = 1;
  for (const [index, file] of [...files.entries()].reverse()) {
    const { size } = await file.stat();
    for (let end = size; end > 0; end -= CHUNK_BYTES) {
      const start = Math.max(end - CHUNK_BYTES, 0);
      const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
      for (let at = end - start - skipped; left > 0; left--) {
        at = at <= 0 ? -1 : buffer.lastIndexOf(NEWLINE, at - 1);
        if (at < 0) break;
        if (left === 1) return { index, at: start + at + 1 };
      }
      skipped = 0;
    }
  }
  return { index: 0, at: 0 };
}
