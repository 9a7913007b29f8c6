import { refuse, refuseNul } from "../refuse.ts";
import type { ProcessSpec } from "../spec.ts";
import { unknownCapabilities } from "./capabilities.ts";
import { searchPath } from "./compile-process.ts";
import { rlimitNumber } from "./rlimits.ts";
import { checkScheduling } from "./scheduling.ts";
import type { HasLabel } from "./security-labels.ts";

/** Most rows or columns that TIOCSWINSZ accepts. */
const MAX_CONSOLE = 65_535;
/** Most directories in PATH; each adds a candidate to the launch plan. */
const MAX_SEARCHED = 1024;

/** Throws a one-line error that names the first invalid field of a process. */
export function checkProcess(process: ProcessSpec): void {
  if (process.args.length === 0 || process.args[0] === "") throw refuse("process.args", "is empty");
  if (!process.cwd.startsWith("/")) throw refuse("process.cwd", `"${process.cwd}" is not an absolute path`);
  refuseNul("process", [...process.args, ...process.env, process.cwd]);
  refuseNul("process.apparmorProfile", [process.apparmorProfile ?? ""]);
  refuseNul("process.selinuxLabel", [process.selinuxLabel ?? ""]);
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
  const { umask = 0 } = process.user;
  if (umask > 0o777) throw refuse("process.user.umask", `0${umask.toString(8)} is more than 0777`);
  checkRlimits(process.rlimits);
  checkScheduling(process);
}

function checkRlimits(rlimits: ProcessSpec["rlimits"]): void {
  const seen = new Set<number>();
  for (const { type, soft, hard } of rlimits) {
    const number = rlimitNumber(type);
    if (seen.has(number)) throw refuse("process.rlimits", `has ${type} twice`);
    if (soft > hard)
      throw refuse(`process.rlimits ${type}`, `has a soft limit of ${soft}, above the hard limit of ${hard}`);
    seen.add(number);
  }
}

/** Returns a line for the log for each part of a process that is ignored, by contract. */
export function processWarnings(process: ProcessSpec, hasLabel: HasLabel): string[] {
  const warnings = unknownCapabilities(process.capabilities).map(
    (name) => `OCI spec: process.capabilities "${name}" is unknown and is ignored`,
  );
  const { apparmorProfile: profile = "" } = process;
  if (profile !== "" && profile !== "unconfined" && !hasLabel("apparmor", profile)) {
    warnings.push(`OCI spec: process.apparmorProfile "${profile}" is ignored: it is not loaded in this guest`);
  }
  return warnings;
}
