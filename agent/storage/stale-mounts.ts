import { stat } from "node:fs/promises";
import type { Files } from "../kernel/files.ts";
import { untilAnswering } from "../kernel/wait/file-system-answers.ts";
import { mayHang } from "../kernel/wait/limited-calls.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";
import { listMounts } from "./mounts.ts";
import { SHARED_ROOT } from "./shared-path.ts";

/**
 * Looks at every mount below the share, one after the other: the kernel lets go of those whose host side is gone. Nothing
 * is an error: what hangs holds up this call alone, until its signal.
 */
export async function removeStaleShareMounts(
  files: Pick<Files, "readText" | "mounts">,
  signal: AbortSignal,
  look: (path: string) => Promise<unknown> = stat,
): Promise<void> {
  for (const { mountPoint } of listMounts(files)) {
    if (signal.aborted) return;
    if (!mountPoint.startsWith(`${SHARED_ROOT}/`)) continue;
    const looked = untilAnswering(files, mountPoint, signal).then(() => mayHang(mountPoint, () => look(mountPoint)));
    await waitUntil(looked, signal).catch(() => signal.throwIfAborted());
  }
}
