import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Sys } from "../../kernel/kernel.ts";

const COMPACT = "/proc/sys/vm/compact_memory";

/**
 * Prepares the guest's memory for a snapshot: writes dirty pages to disks, and moves used pages together, so that more of the
 * memory is free in large pieces. A kernel without compaction is fine. Off the main thread.
 */
export async function settleMemory(sys: Pick<Sys, "sync">, compact: string = COMPACT): Promise<void> {
  await sys.sync();
  if (!existsSync(compact)) return;
  await using file = await open(compact, "w"); // not "r+": the kernel doesn't allow reading it
  await file.write("1");
}
