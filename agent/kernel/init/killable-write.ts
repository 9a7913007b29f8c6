import { SIGKILL } from "../constants.ts";
import { SystemError } from "../error.ts";
import type { Kernel, LaunchedProcess } from "../kernel.ts";
import { waitUntil } from "../wait/wait-until.ts";
import { ReportReader } from "./report.ts";

/** Writes text to a guest file in one write(2). */
export type WriteFile = (path: string, text: string, signal?: AbortSignal) => Promise<void>;

/** Belongs to no container; the next agent kills a process with this label. */
const LABEL = JSON.stringify({ container: "", exec: "", command: "write" });

/**
 * Returns a function that writes through a child of init, for files whose write keeps the kernel busy for long. No thread of
 * the agent waits meanwhile, and aborting `signal` kills the child, which makes the kernel stop.
 */
export function killableWriter({ sys, init }: Pick<Kernel, "sys" | "init">, newId: () => number): WriteFile {
  return async (path, text, signal) => {
    signal?.throwIfAborted();
    const report = sys.pipe();
    let child: LaunchedProcess | undefined;
    try {
      child = await init
        .launch({
          id: newId(),
          plan: [{ op: "write", path, data: text }, { op: "exit" }],
          slots: [report.write],
          reportSlot: 0,
          newPidNamespace: false,
          keep: {},
          label: LABEL,
        })
        .finally(() => sys.close(report.write));
      const result = await new ReportReader(sys, report.read).next(signal);
      if (result.kind === "failed") throw new SystemError("write", result.errno, path);
      await (signal === undefined ? child.exit : waitUntil(child.exit, signal));
    } catch (error) {
      if (signal?.aborted && child !== undefined) await kill(child);
      throw error;
    } finally {
      sys.close(report.read);
      if (child !== undefined) {
        sys.close(child.pidfd);
        init.forget(child.id);
      }
    }
  };

  /** Kills the child and waits until the kernel has let it go. */
  async function kill({ pidfd, exit }: LaunchedProcess): Promise<void> {
    try {
      sys.signal(pidfd, SIGKILL);
    } catch {
      // It has already ended.
    }
    await exit;
  }
}
