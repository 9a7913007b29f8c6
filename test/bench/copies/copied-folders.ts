import { randomFillSync } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const MIB = 1024 * 1024;
const SMALL_BYTES = 2048;
const FILES_IN_FOLDER = 100;

/** Creates a folder with one file of so many mebibytes. Returns its path. */
export function bigFile(path: string, mib: number): string {
  mkdirSync(path);
  const block = randomFillSync(Buffer.alloc(MIB));
  const fd = openSync(join(path, "big"), "w");
  try {
    for (let at = 0; at < mib; at++) writeSync(fd, block);
  } finally {
    closeSync(fd);
  }
  return path;
}

/** Creates a folder with so many files of 2 KiB, 100 in each subfolder. Returns its path. */
export function smallFiles(path: string, count: number): string {
  const bytes = randomFillSync(Buffer.alloc(SMALL_BYTES));
  for (let at = 0; at < count; at++) {
    const folder = join(path, `${Math.floor(at / FILES_IN_FOLDER)}`);
    if (at % FILES_IN_FOLDER === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${at}`), bytes);
  }
  return path;
}
