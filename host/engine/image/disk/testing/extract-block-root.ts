import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { temporaryDirectory } from "../../../../../image/testing/tree.ts";
import { type BlockSource, DISK, makeBlockRoot } from "../make-block-root.ts";

/** Makes a disk and extracts it to a directory with erofs-utils, whose reader is not ours. */
export async function extractedBlockRoot(source: BlockSource, root: string): Promise<void> {
  using work = temporaryDirectory();
  await makeBlockRoot(source, work.path, { limit: 64 << 20 });
  execFileSync("fsck.erofs", [`--extract=${root}`, "--overwrite", join(work.path, DISK)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}
