import { readdirSync, readFileSync } from "node:fs";

/** Returns the pids of QEMU in the guests that a process has started: children of its monitors. */
export function qemuBelow(pid: number): number[] {
  const qemus = childrenOf(pid).flatMap(childrenOf);
  return qemus.filter((child) => readFileSync(`/proc/${child}/comm`, "utf8").startsWith("qemu"));
}

/** A worker's thread may have started some. */
function childrenOf(pid: number): number[] {
  const tasks = `/proc/${pid}/task`;
  const children = readdirSync(tasks).flatMap((task) => readFileSync(`${tasks}/${task}/children`, "utf8").split(" "));
  return children.filter(Boolean).map(Number);
}
