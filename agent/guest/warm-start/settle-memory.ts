import type { Files } from "../../kernel/files.ts";
import type { Sys } from "../../kernel/kernel.ts";

const COMPACT = "/proc/sys/vm/compact_memory";

/**
 * Prepares the guest's memory for a snapshot: writes dirty pages to disks, and moves used pages together, so that more of the
 * memory is free in large pieces. The kernel may lack compaction.
 */
export async function settleMemory(sys: Pick<Sys, "sync">, files: Pick<Files, "exists" | "writeText">): Promise<void> {
  await sys.sync();
  if (files.exists(COMPACT)) files.writeText(COMPACT, "1");
}
