import { statSync, unlinkSync } from "node:fs";
import type { Files } from "../kernel/files.ts";

/** What of an agent before is of no use to the first agent of a service; containers and sandbox it takes away itself. */
const OF_ONE_LIFE = ["journal", "policy.rego", "policy-data.json", "agent", "upload", "mem-agent.json"];

/** Init is a process among others, on a system that has its own: nothing but this agent's parent tells. */
export function isService(): boolean {
  return process.ppid !== 1;
}

/** A guest's /run is new at each boot; a service finds there what its last life left. */
export function forgetLastLife(files: Files, stateDirectory: string): void {
  for (const name of OF_ONE_LIFE) files.removeTree(`${stateDirectory}/${name}`);
}

/** The path of a unix socket on which nobody can listen any more; a file of another kind stays. */
export function removeStaleSocket(address: string): void {
  const path = /^unix:\/\/(\/.*)$/.exec(address)?.[1];
  if (path !== undefined && statSync(path, { throwIfNoEntry: false })?.isSocket()) unlinkSync(path);
}

const USUAL_CGROUPS = "/sys/fs/cgroup";

/** Where cgroup v2 is mounted: systems that have v1 as well have it further down. */
export function cgroupRoot(files: Pick<Files, "readText">): string {
  const types = new Map<string, string>(); // of what was mounted last, and is seen
  for (const line of files.readText("/proc/self/mounts").split("\n")) {
    const [, place = "", type = ""] = line.split(" ");
    types.set(place, type);
  }
  if (types.get(USUAL_CGROUPS) === "cgroup2") return USUAL_CGROUPS;
  return [...types].find(([, type]) => type === "cgroup2")?.[0] ?? USUAL_CGROUPS;
}
