import type { Files } from "../../kernel/files.ts";

/** Of a task's flags in the kernel: on its way out (include/linux/sched.h). */
const PF_EXITING = 4;
/** Place of the flags after the name, which may hold anything. */
const FLAGS = 6;

/** A process that is gone, or is just going: nobody can join its namespaces any more. init has not told of it yet. */
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
