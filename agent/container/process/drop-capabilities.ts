import { CLONE_NEWNS, CLONE_NEWUSER } from "../../kernel/constants.ts";
import type { PlanOp } from "../../kernel/plan.ts";
import type { CompiledPlan, PlanStep } from "../plan-builder.ts";
import { ALL_CAPABILITIES, capabilityMask } from "./capabilities.ts";

type Needs = readonly string[] | "all";

/** To reach and make files of whatever owner. */
const FILES = ["DAC_OVERRIDE"];
const MOUNT = ["SYS_ADMIN"];
const MOUNT_ON_FILES = [...MOUNT, ...FILES];
const OWN_FILES = [...FILES, "CHOWN", "FOWNER", "FSETID"];

/** They ask for nothing later. Others, such as overlay, go on with what the one who has mounted them had. */
const PLAIN_TYPES = new Set(["proc", "sysfs", "devpts", "mqueue", "cgroup2", "tmpfs"]);

/** What the kernel may ask for at each operation. */
const NEEDS: {
  readonly [N in PlanOp["op"]]: (op: Extract<PlanOp, { readonly op: N }>, slots: readonly string[]) => Needs;
} = {
  unshare: () => MOUNT,
  setns: needsOfSetns,
  "setns-path": () => MOUNT,
  setsid: () => [],
  "session-keyring": () => [],
  write: ({ path }) => needsOfWrite(path),
  sethostname: () => MOUNT,
  setdomainname: () => MOUNT,
  propagate: () => MOUNT_ON_FILES,
  "open-tree": () => MOUNT_ON_FILES,
  "open-tree-slot": () => MOUNT,
  "take-mount": () => [],
  fsopen: ({ type }) => (PLAIN_TYPES.has(type) ? MOUNT : "all"),
  fsconfig: () => MOUNT,
  fsmount: () => MOUNT,
  setattr: () => MOUNT,
  "own-root": () => FILES,
  root: () => MOUNT_ON_FILES,
  attach: () => MOUNT_ON_FILES,
  mkdir: () => FILES,
  mknod: () => [...OWN_FILES, "MKNOD"],
  symlink: () => FILES,
  mask: () => MOUNT_ON_FILES,
  readonly: () => MOUNT_ON_FILES,
  "root-attr": () => MOUNT,
  remount: () => MOUNT_ON_FILES,
  "copy-up": () => [...OWN_FILES, "MKNOD"],
  fork: () => MOUNT,
  pivot: () => [...MOUNT_ON_FILES, "SYS_CHROOT"],
  chdir: () => FILES,
  stdio: () => [],
  ctty: () => ["SYS_ADMIN"],
  "chown-stdio": () => ["CHOWN"],
  rlimit: () => ["SYS_RESOURCE"],
  umask: () => [],
  bounding: () => ["SETPCAP"],
  keepcaps: () => [],
  user: () => ["SETUID", "SETGID"],
  capset: () => [],
  ambient: () => [],
  "no-new-privs": () => [],
  scheduler: () => ["SYS_NICE"],
  "io-priority": () => ["SYS_NICE", "SYS_ADMIN"],
  "cpu-affinity": () => [],
  personality: () => [],
  seccomp: () => ["SYS_ADMIN"],
  drop: () => [],
  find: () => [],
  wait: () => [],
  exec: () => [],
  exit: () => [],
};

/**
 * The same plan, that begins by giving up what nothing in it needs, nor the process that it ends with: the bounding set
 * is that process's from the start. Anew in a user namespace, where a process has all capabilities again. A plan whose
 * program is to have what init has stays as it is.
 */
export function dropCapabilities<P extends CompiledPlan>(plan: P): P {
  const parts = partsOf(plan.steps);
  const last = parts.pop() ?? [];
  if (last.at(-1)?.op.op !== "exit" && !last.some(isFinal)) return plan;
  const { slots } = plan;
  return { ...plan, steps: [...parts.flatMap((part) => [...dropOf(part, slots), ...part]), ...lastPart(last, slots)] };
}

/** Cut after each step into a user namespace. */
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
  const names = new Set<string>();
  let given = 0n;
  for (const { op } of steps) {
    if (op.op === "capset") given |= op.effective | op.permitted | op.inheritable;
    const needs = (NEEDS[op.op] as (op: PlanOp, slots: readonly string[]) => Needs)(op, slots);
    if (needs === "all") return [];
    for (const name of needs) names.add(name);
  }
  const mask = (given | capabilityMask([...names])) & ALL_CAPABILITIES;
  return mask === ALL_CAPABILITIES ? [] : [{ op: { op: "drop", mask }, reason: "every process" }];
}

/** What comes after it has what the process has. */
function isFinal({ op }: PlanStep): boolean {
  return op.op === "capset";
}

function entersUser(op: PlanOp): boolean {
  return (op.op === "setns" || op.op === "unshare") && (op.flags & CLONE_NEWUSER) !== 0;
}

/** The namespaces of a process, by its pidfd, are for those who may trace it. */
function needsOfSetns({ slot, flags }: { slot: number; flags: number }, slots: readonly string[]): Needs {
  const needs = (flags & CLONE_NEWNS) === 0 ? MOUNT : [...MOUNT, "SYS_CHROOT"];
  return slots[slot]?.startsWith("ns:") ? needs : [...needs, "SYS_PTRACE"];
}

function needsOfWrite(path: string): Needs {
  if (path.startsWith("/proc/self/attr/")) return FILES;
  if (path === "/proc/self/oom_score_adj") return ["SYS_RESOURCE"];
  if (path === "/proc/self/timens_offsets") return ["SYS_TIME"];
  if (path.startsWith("/proc/sys/net/")) return ["NET_ADMIN", ...FILES];
  if (path.startsWith("/proc/sys/")) return ["SYS_RESOURCE", "CHECKPOINT_RESTORE", ...FILES];
  return "all";
}
