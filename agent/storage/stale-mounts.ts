import { stat } from "node:fs/promises";
import type { Files } from "../kernel/files.ts";
import { fileSystemAnswers } from "../kernel/wait/file-system-answers.ts";
import { runLimited } from "../kernel/wait/limited-calls.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";
import { listMounts } from "./mounts.ts";
import { SHARED_ROOT } from "./shared-path.ts";

/**
 * Calls stat on every mount below the share in turn, which makes the kernel release mounts whose host side is gone.
 * Ignores failures. A mount that hangs delays only this call, until its signal aborts.
 */
export async function removeStaleShareMounts(
  files: Pick<Files, "readText" | "mounts">,
  signal: AbortSignal,
  look: (path: string) => Promise<unknown> = stat,
): Promise<void> {
  for (const { mountPoint } of listMounts(files)) {
    if (signal.aborted) return;
    if (!mountPoint.startsWith(`${SHARED_ROOT}/`)) continue;
    const looked = fileSystemAnswers(files, mountPoint, signal).then(() =>
      runLimited(mountPoint, () => look(mountPoint)),
    );
    await waitUntil(looked, signal).catch(() => signal.throwIfAborted());
  }
}
