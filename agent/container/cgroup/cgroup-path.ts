import { AgentError } from "../../kernel/error.ts";

/**
 * Path of a container's cgroup, as "/a/b" below the cgroup of all containers. Hosts send a path or systemd's
 * `slice:prefix:name`, whose colons count as slashes; an empty one means /<container id>. Throws one line for a path
 * that leaves that cgroup.
 */
export function cgroupPath(given: string, containerId: string): string {
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `OCI spec: linux.cgroupsPath ${JSON.stringify(given)} ${why}`);
  if (/[\0\n]/.test(given)) throw refuse("has a NUL byte or a line break");
  const parts = (given === "" ? containerId : given).split(/[/:]/).filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse('has ".." in it');
  if (parts.length === 0) throw refuse("is the root cgroup; a container needs one of its own");
  return `/${parts.join("/")}`;
}
