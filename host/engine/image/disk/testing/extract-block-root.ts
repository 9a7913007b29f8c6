import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../../../../image/testing/tree.ts";
import { FILE_SYSTEM_START } from "../disk-file.ts";
import { type BlockSource, DISK, makeBlockRoot } from "../make-block-root.ts";

/** Copies the file system of a made disk to a file of its own, as erofs-utils read it. Returns its path. */
export function fileSystemOf(directory: string): string {
  const path = join(directory, "file-system");
  writeFileSync(path, readFileSync(join(directory, DISK)).subarray(FILE_SYSTEM_START));
  return path;
}

/** Makes a disk and extracts it to a directory with erofs-utils, whose reader is not ours. */
export async function extractedBlockRoot(source: BlockSource, root: string): Promise<void> {
  using work = temporaryDirectory();
  await makeBlockRoot(source, work.path, { limit: 64 << 20 });
  execFileSync("fsck.erofs", [`--extract=${root}`, "--overwrite", fileSystemOf(work.path)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}
