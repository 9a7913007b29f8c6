import { readFileSync } from "node:fs";

/** Returns the pids of a process's children. */
export function childrenOf(pid: number | "self" | undefined): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}
