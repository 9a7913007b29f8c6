import { CLONE_NEWNS, CLONE_NEWUSER } from "../../kernel/constants.ts";
import type { PlanOp } from "../../kernel/init/plan.ts";
import type { CompiledPlan, PlanStep } from "../plan/plan-builder.ts";
import { ALL_CAPABILITIES, capabilityMask } from "./capabilities.ts";

type Needs = bigint | "all";

const cap = (...names: readonly string[]): bigint => capabilityMask(names);
const NOTHING = 0n;
/** Accesses and creates files of any owner. */
const FILES = cap("DAC_OVERRIDE");
const MOUNT = cap("SYS_ADMIN");
const MOUNT_ON_FILES = MOUNT | FILES;
const MAKE_FILES = FILES | cap("CHOWN", "FOWNER", "FSETID", "MKNOD");
const PIVOT = MOUNT_ON_FILES | cap("SYS_CHROOT");
const CHOWN = cap("CHOWN");
const LIMITS = cap("SYS_RESOURCE");
const BOUNDING = cap("SETPCAP");
const USER = cap("SETUID", "SETGID");
const NICE = cap("SYS_NICE");
const CHROOT = cap("SYS_CHROOT");
const TRACE = cap("SYS_PTRACE");
const TIME = cap("SYS_TIME");
const NETWORK_FILES = FILES | cap("NET_ADMIN");
const SYSCTL_FILES = FILES | cap("SYS_RESOURCE", "CHECKPOINT_RESTORE");

/**
 * File systems that need no capabilities after the mount. Others, such as overlay, keep using their mounter's
 * credentials.
 */
const PLAIN_TYPES = new Set(["proc", "sysfs", "devpts", "mqueue", "cgroup2", "tmpfs"]);

/** Capabilities that the kernel may require for each operation. */
const NEEDS: {
  readonly [N in PlanOp["op"]]: (op: Extract<PlanOp, { readonly op: N }>, slots: readonly string[]) => Needs;
} = {
  unshare: () => MOUNT,
  setns: needsOfSetns,
  "setns-path": () => MOUNT,
  setsid: () => NOTHING,
  "session-keyring": () => NOTHING,
  write: ({ path }) => needsOfWrite(path),
  sethostname: () => MOUNT,
  setdomainname: () => MOUNT,
  propagate: () => MOUNT_ON_FILES,
  "open-tree": () => MOUNT_ON_FILES,
  "open-tree-slot": () => MOUNT,
  "take-mount": () => NOTHING,
  fsopen: ({ type }) => (PLAIN_TYPES.has(type) ? MOUNT : "all"),
  fsconfig: () => MOUNT,
  fsmount: () => MOUNT,
  setattr: () => MOUNT,
  "own-root": () => FILES,
  root: () => MOUNT_ON_FILES,
  attach: () => MOUNT_ON_FILES,
  mkdir: () => FILES,
  mknod: () => MAKE_FILES,
  symlink: () => FILES,
  mask: () => MOUNT_ON_FILES,
  readonly: () => MOUNT_ON_FILES,
  "root-attr": () => MOUNT,
  remount: () => MOUNT_ON_FILES,
  "copy-up": () => MAKE_FILES,
  fork: () => MOUNT,
  pivot: () => PIVOT,
  chdir: () => FILES,
  stdio: () => NOTHING,
  ctty: () => MOUNT,
  "chown-stdio": () => CHOWN,
  rlimit: () => LIMITS,
  umask: () => NOTHING,
  bounding: () => BOUNDING,
  keepcaps: () => NOTHING,
  user: () => USER,
  capset: () => NOTHING,
  ambient: () => NOTHING,
  "no-new-privs": () => NOTHING,
  scheduler: () => NICE,
  "io-priority": () => NICE | MOUNT,
  "cpu-affinity": () => NOTHING,
  personality: () => NOTHING,
  seccomp: () => MOUNT,
  drop: () => NOTHING,
  find: () => NOTHING,
  wait: () => NOTHING,
  exec: () => NOTHING,
  exit: () => NOTHING,
};

/**
 * Returns the plan with a first step that drops all capabilities that neither its operations nor its final process
 * need; the bounding set is the final one from the start. Another drop follows each step into a user namespace, where
 * a process has all capabilities again. A plan whose program keeps init's capabilities is returned unchanged.
 */
export function dropCapabilities<P extends CompiledPlan>(plan: P): P {
  const parts = partsOf(plan.steps);
  const last = parts.pop() ?? [];
  if (last.at(-1)?.op.op !== "exit" && !last.some(isFinal)) return plan;
  const { slots } = plan;
  return { ...plan, steps: [...parts.flatMap((part) => [...dropOf(part, slots), ...part]), ...lastPart(last, slots)] };
}

/** Splits the steps after each one that enters a user namespace. */
function partsOf(steps: readonly PlanStep[]): PlanStep[][] {
  const parts: PlanStep[][] = [[]];
  for (const step of steps) {
    parts.at(-1)?.push(step);
    if (entersUser(step.op)) parts.push([]);
  }
  return parts;
}

function lastPart(steps: readonly PlanStep[], slots: readonly string[]): PlanStep[] {
  const bounding = steps.filter(({ op }) => op.op === "bounding");
  const others = steps.filter(({ op }) => op.op !== "bounding");
  const end = others.findIndex(isFinal);
  return [...bounding, ...dropOf(end < 0 ? others : others.slice(0, end + 1), slots), ...others];
}

function dropOf(steps: readonly PlanStep[], slots: readonly string[]): PlanStep[] {
  let kept = 0n;
  for (const { op } of steps) {
    if (op.op === "capset") kept |= op.effective | op.permitted | op.inheritable;
    const needs = (NEEDS[op.op] as (op: PlanOp, slots: readonly string[]) => Needs)(op, slots);
    if (needs === "all") return [];
    kept |= needs;
  }
  const mask = kept & ALL_CAPABILITIES;
  return mask === ALL_CAPABILITIES ? [] : [{ op: { op: "drop", mask }, reason: "every process" }];
}

/** True for the step after which the process has its final capabilities. */
function isFinal({ op }: PlanStep): boolean {
  return op.op === "capset";
}

function entersUser(op: PlanOp): boolean {
  return (op.op === "setns" || op.op === "unshare") && (op.flags & CLONE_NEWUSER) !== 0;
}

/** Joining a process's namespaces by its pidfd requires permission to trace it. */
function needsOfSetns({ slot, flags }: { slot: number; flags: number }, slots: readonly string[]): Needs {
  const needs = (flags & CLONE_NEWNS) === 0 ? MOUNT : MOUNT | CHROOT;
  return slots[slot]?.startsWith("ns:") ? needs : needs | TRACE;
}

function needsOfWrite(path: string): Needs {
  if (path.startsWith("/proc/self/attr/")) return FILES;
  if (path === "/proc/self/oom_score_adj") return LIMITS;
  if (path === "/proc/self/timens_offsets") return TIME;
  if (path.startsWith("/proc/sys/net/")) return NETWORK_FILES;
  if (path.startsWith("/proc/sys/")) return SYSCTL_FILES;
  return "all";
}
