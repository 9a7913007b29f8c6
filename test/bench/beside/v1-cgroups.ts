import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeAll } from "../../../host/conformance/target/agent-cgroup.ts";

/**
 * Moves this process, and with it the agents that it starts, into a new cgroup of each hierarchy of version 1, and back
 * at the end. Does nothing on a machine without them. An agent's cgroup namespace then begins there.
 */
export function ownV1Cgroups(): Disposable {
  const made = readFileSync("/proc/self/cgroup", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(":"))
    .filter(([, controllers = ""]) => controllers !== "")
    .map(([, controllers = "", path = ""]) => {
      const parent = join("/sys/fs/cgroup", controllers.replace(/^name=/, ""), path);
      const own = join(parent, `guestd-bench-${process.pid}`);
      mkdirSync(own);
      if (controllers.split(",").includes("cpuset")) copyCpuset(parent, own);
      return { parent, own };
    });
  const enter = (path: string) => writeFileSync(join(path, "cgroup.procs"), `${process.pid}`);
  for (const { own } of made) enter(own);
  return {
    [Symbol.dispose]() {
      for (const { parent, own } of made) {
        enter(parent);
        removeAll(own);
      }
    },
  };
}

/** Gives a new cgroup the processors and memory of its parent, and the same to those below it: they begin without any. */
function copyCpuset(parent: string, own: string): void {
  for (const name of ["cpuset.cpus", "cpuset.mems"]) {
    writeFileSync(join(own, name), readFileSync(join(parent, name)));
  }
  writeFileSync(join(own, "cgroup.clone_children"), "1");
}
