import { SIGKILL } from "../constants.ts";
import { SystemError } from "../error.ts";
import type { Kernel, LaunchedProcess } from "../kernel.ts";
import { waitUntil } from "../wait/wait-until.ts";
import { ReportReader } from "./report.ts";

/** A text to a file of the guest, in one write(2). */
export type WriteFile = (path: string, text: string, signal?: AbortSignal) => Promise<void>;

/** Of no container, and killed when it outlives its agent. */
const LABEL = JSON.stringify({ container: "", exec: "", command: "write" });

/**
 * Writes by a child of init: for files on which the kernel works for long. No thread of the agent waits meanwhile, and the
 * kernel ends the work when the child is killed, which it is when `signal` aborts.
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
      const said = await new ReportReader(sys, report.read).next(signal);
      if (said.kind === "failed") throw new SystemError("write", said.errno, path);
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

  /** Until it has let go of the kernel. */
  async function kill({ pidfd, exit }: LaunchedProcess): Promise<void> {
    try {
      sys.signal(pidfd, SIGKILL);
    } catch {
      // It has just ended.
    }
    await exit;
  }
}
