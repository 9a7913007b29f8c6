import type { CoreFacts, CoreOwner } from "../../guest/core-dumps/core-file.ts";
import { type LifecycleEvent, lifecycle } from "../../kernel/lifecycle.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";

/** Execs that have ended lately and may be forgotten before their core dumps arrive. */
const MAX_ENDED = 64;
/** Mount point of cgroup v2 in a guest. */
const CGROUPS = "/sys/fs/cgroup";

type Containers = Pick<Sandbox, "containers">;

/** Returns a function that finds the container, by its cgroup, and the exec, by its pid, of a process that dumped its core. */
export function coreOwners(sandbox: Containers): (facts: Pick<CoreFacts, "cgroup" | "pid">) => CoreOwner {
  const ended: (CoreOwner & { readonly pid: number })[] = [];
  lifecycle.subscribe((message) => {
    const { type, container: id, exec } = message as LifecycleEvent;
    if (type !== "exec-exited" || id === undefined || exec === undefined) return;
    const process = sandbox.containers.find((it) => it.id === id)?.processes.find(({ execId }) => execId === exec);
    if (process !== undefined) ended.unshift({ container: id, exec, pid: process.pid });
    ended.length = Math.min(ended.length, MAX_ENDED);
  });
  return ({ cgroup, pid }) => {
    const path = `${CGROUPS}${cgroup}`;
    const isOf = (own: string) => path === own || path.startsWith(`${own}/`);
    const [container] = sandbox.containers
      .filter((it) => isOf(it.cgroup))
      .sort((a, b) => b.cgroup.length - a.cgroup.length);
    if (container === undefined) return { container: "", exec: "" };
    const { id, init, processes } = container;
    const process = processes.find((it) => it.pid === pid);
    const last = ended.find((it) => it.container === id && it.pid === pid);
    const exec = process === undefined ? (last?.exec ?? "") : process === init ? "" : process.execId;
    return { container: id, exec };
  };
}
