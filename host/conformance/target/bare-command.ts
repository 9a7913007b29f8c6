import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ended, firstChildOf, type StartedCommand, spawnRead } from "./started-command.ts";

/** Time that a command has to end by SIGTERM and to clean up. */
const END_MS = 10_000;

const POLL_MS = 20;

/** Starts a command as it is. It ends by SIGTERM, so that it can clean up, and in the end by SIGKILL. */
export function startBare(command: string): StartedCommand {
  const child = spawnRead("/bin/sh", ["-c", command], {}, true);
  // The shell may end before the programs that it started, which share its process group.
  const signal = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // The group has ended.
    }
  };
  return {
    child,
    kill: () => signal("SIGTERM"),
    pid: () => innermost(child.pid ?? 0),
    async end() {
      signal("SIGTERM");
      const end = performance.now() + END_MS;
      while (groupRuns(child.pid) && performance.now() < end) await sleep(POLL_MS);
      signal("SIGKILL");
      await ended(child);
    },
  };
}

/** True if a process of the group runs. One that has ended stays in it until its parent waits for it, which may be never. */
function groupRuns(group: number | undefined): boolean {
  return readdirSync("/proc").some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const [state, , its] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state !== "Z" && state !== "X" && Number(its) === group;
    } catch {
      return false;
    }
  });
}

/** Returns the first descendant that has another network than this process, or the last one. */
function innermost(pid: number): number {
  const own = readlinkSync("/proc/self/ns/net");
  for (let one = pid; ; ) {
    const next = readlinkSync(`/proc/${one}/ns/net`) === own ? firstChildOf(one) : undefined;
    if (next === undefined) return one;
    one = next;
  }
}
