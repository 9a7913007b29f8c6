import { AgentError } from "../kernel/error.ts";
import { checkDevices } from "./compile-devices.ts";
import { searchPath } from "./compile-process.ts";
import { parseMountOptions } from "./mount-options.ts";
import { sortNamespaces } from "./namespaces.ts";
import type { ProcessSpec, Spec } from "./spec.ts";

/** Rows or columns: what TIOCSWINSZ takes. */
const MAX_CONSOLE = 65_535;
/** Each is a candidate of the launch plan. */
const MAX_SEARCHED = 1024;

/** Throws one line that names the first field which is wrong or which the launch plan can't carry. */
export function checkSpec(spec: Spec): void {
  const [first] = spec.unsupported;
  if (first !== undefined) throw refuse(first, "is not supported");
  refuseNul("root.path", [spec.root.path]);
  refuseNul("hostname", [spec.hostname]);
  refuseNul("domainname", [spec.domainname]);
  refuseNul("linux.maskedPaths", spec.linux.maskedPaths);
  refuseNul("linux.readonlyPaths", spec.linux.readonlyPaths);
  refuseNul(
    "linux.namespaces",
    spec.linux.namespaces.map(({ path }) => path),
  );
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
    if (mount.destination === "") throw refuse(field, "has no destination");
    refuseNul(field, [mount.destination, mount.source, mount.type, ...mount.options]);
    const { unsupported, bind, data } = parseMountOptions(mount.options);
    if (unsupported[0] !== undefined) throw refuse(`${field} option "${unsupported[0]}"`, "is not supported");
    if (bind || mount.type === "bind") {
      if (!mount.source.startsWith("/")) throw refuse(field, `bind source "${mount.source}" is not an absolute path`);
      if (data[0] !== undefined) throw refuse(`${field} option "${data[0].join("=")}"`, "is not one of a bind mount");
    }
    if (mount.type === "cgroup" && bind) throw refuse(field, "cgroup with bind is not supported");
  }
  checkDevices(spec.linux.devices);
  checkProcess(spec.process);
}

export function checkProcess(process: ProcessSpec): void {
  if (process.args.length === 0 || process.args[0] === "") throw refuse("process.args", "is empty");
  if (!process.cwd.startsWith("/")) throw refuse("process.cwd", `"${process.cwd}" is not an absolute path`);
  refuseNul("process", [...process.args, ...process.env, process.cwd]);
  const directories = searchPath(process.env).split(":").length;
  if (directories > MAX_SEARCHED) {
    throw refuse("process.env", `PATH has ${directories} directories, more than ${MAX_SEARCHED}`);
  }
  const { height = 0, width = 0 } = process.consoleSize ?? {};
  if (Math.max(height, width) > MAX_CONSOLE) {
    throw refuse("process.consoleSize", `${height}x${width} is more than ${MAX_CONSOLE}`);
  }
  if (process.oomScoreAdj < -1000 || process.oomScoreAdj > 1000) {
    throw refuse("process.oomScoreAdj", `${process.oomScoreAdj} is outside -1000..1000`);
  }
}

/** The kernel would take the text up to there. */
function refuseNul(field: string, texts: readonly string[]): void {
  if (texts.some((text) => text.includes("\0"))) throw refuse(field, "has a NUL byte in it");
}

function refuse(field: string, why: string): AgentError {
  return new AgentError("invalid-argument", `OCI spec: ${field} ${why}`);
}
