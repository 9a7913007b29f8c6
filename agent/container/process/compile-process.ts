import { DEFAULT_PATH } from "../../../lib/oci-defaults.ts";
import { capabilityMask } from "../../kernel/capabilities.ts";
import type { PlanBuilder } from "../plan/plan-builder.ts";
import type { SeccompFilter } from "../seccomp/seccomp-filter.ts";
import type { CapabilitySets, ProcessSpec } from "../spec.ts";
import { rlimitNumber } from "./rlimits.ts";
import { compileScheduling, compileSchedulingAfterFork } from "./scheduling.ts";

/**
 * Group argument of chown(2) that changes nothing: a terminal keeps the group set by its devpts, whose members may
 * write to it.
 */
const SAME_GROUP = 0xffffffff;

/** Capabilities of a container whose spec doesn't mention them, as with runc and crun. */
const NONE: CapabilitySets = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };

/** Settings that all processes of a container share. */
export interface ProcessContext {
  /** Environment, including HOME. */
  readonly env: readonly string[];
  /** Argument of personality(2). */
  readonly persona?: number | undefined;
  readonly seccomp?: SeccompFilter | undefined;
  /** True in a user namespace, where limits and the owner of stdio were set before. */
  readonly inUser: boolean;
  /**
   * True if the process must fork into its pid namespace last, without excess privileges: processes there could trace
   * it.
   */
  readonly bornLast?: boolean;
}

/**
 * Adds the part that create and exec share: limits, identity and executable. It runs inside the container's
 * namespaces.
 */
export function compileProcess(plan: PlanBuilder, process: ProcessSpec, context: ProcessContext): void {
  const { uid, gid, additionalGids: groups, umask = 0o022 } = process.user;
  compileStdio(plan, process, context);
  if (!context.inUser) compileLimits(plan, process, context.bornLast);
  if (context.persona !== undefined) plan.add("linux.personality", { op: "personality", persona: context.persona });
  plan.add("process.user.umask", { op: "umask", mask: umask });
  plan.add("process.cwd", { op: "chdir", path: process.cwd });
  const { capabilities = NONE } = process;
  plan.add("process.capabilities.bounding", { op: "bounding", mask: capabilityMask(capabilities.bounding) });
  if (uid !== 0) plan.add("process.capabilities", { op: "keepcaps" });
  // Without noNewPrivileges it needs CAP_SYS_ADMIN, which the next step drops.
  if (!process.noNewPrivileges) compileSeccompFilter(plan, context);
  plan.add("process.user", { op: "user", uid, gid, groups });
  compileCapabilities(plan, capabilities);
  if (process.noNewPrivileges) plan.add("process.noNewPrivileges", { op: "no-new-privs" });
  if (context.bornLast) compileLateFork(plan, process, context);
  plan.add("process.args", {
    op: "find",
    candidates: candidates(process.args[0] ?? "", context.env),
  });
}

/** Adds the fork into the pid namespace that the process has joined, and what a child doesn't inherit. */
function compileLateFork(plan: PlanBuilder, process: ProcessSpec, context: ProcessContext): void {
  if (process.noNewPrivileges) compileSeccompFilter(plan, context);
  plan.add("every exec", { op: "fork", flags: 0 });
  plan.add("every process", { op: "setsid" });
  if (process.terminal) plan.add("process.terminal", { op: "ctty" });
  compileSchedulingAfterFork(plan, process);
}

/**
 * Adds the end of every plan. A filter that needs no privileges comes right before execve, unless the process could
 * be traced.
 */
export function compileExecve(plan: PlanBuilder, process: ProcessSpec, context: ProcessContext): void {
  if (process.noNewPrivileges && !context.bornLast) compileSeccompFilter(plan, context);
  plan.add("process.args", { op: "exec", args: process.args, env: context.env });
}

function compileSeccompFilter(plan: PlanBuilder, { seccomp }: ProcessContext): void {
  if (seccomp !== undefined) plan.add("linux.seccomp", { op: "seccomp", ...seccomp });
}

/** Adds the limits that only a capability in the guest's user namespace can raise. `forks`: a `fork` follows. */
export function compileLimits(plan: PlanBuilder, process: ProcessSpec, forks = false): void {
  for (const { type, soft, hard } of process.rlimits) {
    plan.add("process.rlimits", { op: "rlimit", resource: rlimitNumber(type), soft, hard });
  }
  compileScheduling(plan, process, forks);
}

function compileStdio(
  plan: PlanBuilder,
  { terminal, user: { uid, gid } }: ProcessSpec,
  { inUser, bornLast = false }: ProcessContext,
): void {
  const fds = terminal ? ["terminal", "terminal", "terminal"] : ["stdin", "stdout", "stderr"];
  const [stdin, stdout, stderr] = fds.map((name) => plan.slot(name)) as [number, number, number];
  plan.add("process.terminal", { op: "stdio", stdin, stdout, stderr });
  if (terminal && !bornLast) plan.add("process.terminal", { op: "ctty" });
  if (uid !== 0 && !inUser) plan.add("process.user", { op: "chown-stdio", uid, gid: terminal ? SAME_GROUP : gid });
}

function compileCapabilities(plan: PlanBuilder, sets: CapabilitySets): void {
  const [effective, permitted, inheritable, ambient] = [
    sets.effective,
    sets.permitted,
    sets.inheritable,
    sets.ambient,
  ].map(capabilityMask) as [bigint, bigint, bigint, bigint];
  plan.add("process.capabilities", { op: "capset", effective, permitted, inheritable });
  // init has no ambient capabilities, so there is nothing to clear.
  const raised = ambient & permitted & inheritable;
  if (raised !== 0n) plan.add("process.capabilities.ambient", { op: "ambient", mask: raised });
}

/**
 * Returns the paths that execvp would try: the name itself if it has a slash, otherwise along PATH, where an empty
 * element is the current directory.
 */
function candidates(name: string, env: readonly string[]): string[] {
  if (name.includes("/")) return [name];
  const path = searchPath(env);
  return path.split(":").map((directory) => (directory === "" ? `./${name}` : `${directory}/${name}`));
}

export function searchPath(env: readonly string[]): string {
  return env.findLast((entry) => entry.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
}
