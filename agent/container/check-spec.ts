import { AgentError } from "../kernel/error.ts";
import { parseMountOptions } from "./mount-options.ts";
import { sortNamespaces } from "./namespaces.ts";
import type { ProcessSpec, Spec } from "./spec.ts";

/** Throws one line that names the first field which is wrong or which the launch plan can't carry. */
export function checkSpec(spec: Spec): void {
  const [first] = spec.unsupported;
  if (first !== undefined) throw refuse(first, "is not supported");
  if (!spec.root.path.startsWith("/")) throw refuse("root.path", `"${spec.root.path}" is not an absolute path`);
  const { refused, create, join } = sortNamespaces(spec.linux.namespaces);
  if (refused[0] !== undefined) throw refuse("linux.namespaces", `"${refused[0]}" is not supported`);
  const hasUts = spec.linux.namespaces.some((n) => n.type === "uts");
  if (spec.hostname !== "" && !hasUts) throw refuse("hostname", "needs a uts namespace");
  if (spec.domainname !== "" && !hasUts) throw refuse("domainname", "needs a uts namespace");
  if (!spec.linux.namespaces.some((n) => n.type === "mount" || n.type === "mnt")) {
    throw refuse("linux.namespaces", "has no mount namespace; a container needs one");
  }
  if (new Set(join.map((j) => j.flag)).size !== join.length || join.some((j) => (create & j.flag) !== 0)) {
    throw refuse("linux.namespaces", "names one type twice");
  }
  for (const [index, mount] of spec.mounts.entries()) {
    const field = `mounts[${index}] (${mount.destination})`;
    if (mount.destination === "" || mount.destination.includes("\0")) throw refuse(field, "has no destination");
    const { unsupported, bind } = parseMountOptions(mount.options);
    if (unsupported[0] !== undefined) throw refuse(`${field} option "${unsupported[0]}"`, "is not supported");
    if ((bind || mount.type === "bind") && !mount.source.startsWith("/")) {
      throw refuse(field, `bind source "${mount.source}" is not an absolute path`);
    }
    if (mount.type === "cgroup" && bind) throw refuse(field, "cgroup with bind is not supported");
  }
  checkProcess(spec.process);
}

export function checkProcess(process: ProcessSpec): void {
  if (process.args.length === 0 || process.args[0] === "") throw refuse("process.args", "is empty");
  if (!process.cwd.startsWith("/")) throw refuse("process.cwd", `"${process.cwd}" is not an absolute path`);
  const texts = [...process.args, ...process.env, process.cwd];
  if (texts.some((text) => text.includes("\0"))) throw refuse("process", "has a NUL byte in args, env or cwd");
  if (process.oomScoreAdj < -1000 || process.oomScoreAdj > 1000) {
    throw refuse("process.oomScoreAdj", `${process.oomScoreAdj} is outside -1000..1000`);
  }
}

function refuse(field: string, why: string): AgentError {
  return new AgentError("invalid-argument", `OCI spec: ${field} ${why}`);
}
