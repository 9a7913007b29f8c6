import type { PlanBuilder } from "../plan/plan-builder.ts";
import type { SeccompFilter } from "../seccomp/seccomp-filter.ts";
import type { CapabilitySets, ProcessSpec } from "../spec.ts";
import { capabilityMask } from "./capabilities.ts";
import { rlimitNumber } from "./rlimits.ts";
import { compileScheduling, compileSchedulingOfFork } from "./scheduling.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** To chown(2): a terminal stays with the group that its devpts has for it, by which others may write to it. */
const SAME_GROUP = 0xffffffff;

/** Of a container whose spec says nothing of capabilities, as with runc and crun. */
const NONE: CapabilitySets = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };

/** What the processes of a container have in common. */
export interface ProcessContext {
  /** Complete with HOME. */
  readonly env: readonly string[];
  /** For personality(2). */
  readonly persona?: number | undefined;
  readonly seccomp?: SeccompFilter | undefined;
  /** In a user namespace, where limits and the owner of stdio were settled before. */
  readonly inUser: boolean;
  /** Who is in the pid namespace could trace what is born in it: it is to be born with no more than it will have. */
  readonly bornLast?: boolean;
}

/** Limits, identity and executable: what create and exec have in common. Runs inside the container's namespaces. */
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
  // Without noNewPrivileges it needs CAP_SYS_ADMIN, which goes with the next step.
  if (!process.noNewPrivileges) compileSeccompFilter(plan, context);
  plan.add("process.user", { op: "user", uid, gid, groups });
  compileCapabilities(plan, capabilities);
  if (process.noNewPrivileges) plan.add("process.noNewPrivileges", { op: "no-new-privs" });
  if (context.bornLast) compileBirth(plan, process, context);
  plan.add("process.args", {
    op: "find",
    candidates: candidates(process.args[0] ?? "", context.env),
  });
}

/** The process goes on in the pid namespace that it has joined, with what a `fork` does not leave it. */
function compileBirth(plan: PlanBuilder, process: ProcessSpec, context: ProcessContext): void {
  if (process.noNewPrivileges) compileSeccompFilter(plan, context);
  plan.add("every exec", { op: "fork", flags: 0 });
  plan.add("every process", { op: "setsid" });
  if (process.terminal) plan.add("process.terminal", { op: "ctty" });
  compileSchedulingOfFork(plan, process);
}

/** The end of every plan: under a filter that needs no privileges nothing but execve is called, if nobody could trace it. */
export function compileExecve(plan: PlanBuilder, process: ProcessSpec, context: ProcessContext): void {
  if (process.noNewPrivileges && !context.bornLast) compileSeccompFilter(plan, context);
  plan.add("process.args", { op: "exec", args: process.args, env: context.env });
}

function compileSeccompFilter(plan: PlanBuilder, { seccomp }: ProcessContext): void {
  if (seccomp !== undefined) plan.add("linux.seccomp", { op: "seccomp", ...seccomp });
}

/** What takes a capability of the guest's own to raise. `forks`: a `fork` comes after it. */
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
  // init has no ambient ones, so there are none to clear.
  const raised = ambient & permitted & inheritable;
  if (raised !== 0n) plan.add("process.capabilities.ambient", { op: "ambient", mask: raised });
}

/** What execvp would try: the name itself if it has a slash, else along PATH; an empty element is the current directory. */
function candidates(name: string, env: readonly string[]): string[] {
  if (name.includes("/")) return [name];
  const path = searchPath(env);
  return path.split(":").map((directory) => (directory === "" ? `./${name}` : `${directory}/${name}`));
}

export function searchPath(env: readonly string[]): string {
  return env.findLast((entry) => entry.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
}
