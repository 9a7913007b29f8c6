import type { Files } from "../../kernel/files.ts";

/** Kernel flag of a task that is exiting (include/linux/sched.h). */
const PF_EXITING = 4;
/** Index of the flags among the fields after the name, which may contain any character. */
const FLAGS = 6;

/**
 * True if a process has ended or is exiting: its namespaces can't be joined any more, even if init has not reported
 * its end yet.
 */
export function isEnding(files: Files, pid: number): boolean {
  try {
    const fields = files
      .readText(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[FLAGS]) & PF_EXITING) !== 0;
  } catch (error) {
    // Anything else, such as EMFILE, says nothing about the process.
    return ["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}
