import { hasCreateHooks } from "../hooks/hooks.ts";
import { compileMounts, compilePaths } from "../mounts/compile-mounts.ts";
import { clonePropagation, enterRoot, finishPropagation } from "../mounts/compile-root.ts";
import { isDevBound } from "../mounts/mount-kind.ts";
import { ownMounts } from "../mounts/own-mounts.ts";
import { compileNamespaces } from "../namespaces/compile-namespaces.ts";
import { sortNamespaces } from "../namespaces/namespaces.ts";
import { compileSysctls } from "../namespaces/sysctl.ts";
import { compileExecve, compileProcess } from "../process/compile-process.ts";
import { dropCapabilities } from "../process/drop-capabilities.ts";
import { personaOf } from "../process/personality.ts";
import { checkMountLabel, compileLabels, type HasLabel } from "../process/security-labels.ts";
import type { SeccompFilter } from "../seccomp/seccomp-filter.ts";
import type { Spec } from "../spec.ts";
import { compileDevices } from "./compile-devices.ts";
import { type LaunchPlan, PlanBuilder } from "./plan-builder.ts";

/**
 * Compiles the plan that creates a container and blocks before execve until a byte arrives through the slot "release".
 * Slots: report, cgroup, pid, ns:<type>, mount:<index> (own-mounts.ts), stdin/stdout/stderr or terminal, release.
 */
export function compileCreate(
  spec: Spec,
  context: {
    /** The process's environment, including HOME. */
    readonly env: readonly string[];
    readonly hasLabel: HasLabel;
    /** Compiled from linux.seccomp. */
    readonly seccomp?: SeccompFilter | undefined;
    /** Mount point of the file system that holds the rootfs; only a shared linux.rootfsPropagation needs it. */
    readonly under?: string | undefined;
  },
): LaunchPlan {
  const plan = new PlanBuilder(spec.origins);
  const { process, linux } = spec;
  const namespaces = sortNamespaces(linux.namespaces);
  const inUser = namespaces.user !== undefined;
  const own = ownMounts(spec);
  const label = linux.mountLabel ?? "";
  checkMountLabel(label, context.hasLabel);
  plan.slot("report");
  plan.slot("cgroup");
  if (namespaces.pidPath !== undefined) plan.slot("pid");
  plan.add("process.oomScoreAdj", writeOomScore(process.oomScoreAdj));
  compileLabels(plan, process, context.hasLabel);
  plan.add("every process", { op: "setsid" }, { op: "session-keyring" });
  compileNamespaces(plan, spec);
  compileSysctls(plan, linux.sysctl ?? {});
  enterRoot(plan, spec, context.under ?? "/");
  // The guest's root, who may access any path, opened sources and root; files are created as the container's root.
  if (inUser) plan.add("linux.uidMappings", { op: "user", uid: 0, gid: 0, groups: [] });
  const propagation = clonePropagation(linux.rootfsPropagation);
  const late = compileMounts(plan, spec.mounts, { own, root: spec.root.path, propagation, label });
  if (!isDevBound(spec.mounts)) compileDevices(plan, linux.devices, inUser);
  if (process.terminal && [...own.values()].includes("devpts")) {
    const path = "/dev/pts/0"; // the first pty of a new instance
    plan.add("process.terminal", { op: "open-tree", from: "root", path, recursive: false });
    plan.add("process.terminal", { op: "attach", target: "/dev/console", overProc: false });
  }
  // As with runc, hooks run before paths are masked or made read-only.
  if (hasCreateHooks(spec.hooks)) plan.add("hooks", { op: "wait", slot: plan.slot("release") });
  plan.add("process.cwd", { op: "mkdir", path: process.cwd, mode: 0o755 });
  for (const { op, reason } of late) plan.add(reason, op);
  compilePaths(plan, linux.maskedPaths, linux.readonlyPaths, spec.root.readonly);
  plan.add("root", { op: "pivot" });
  finishPropagation(plan, spec);
  const common = { env: context.env, persona: personaOf(linux.personality), seccomp: context.seccomp, inUser };
  compileProcess(plan, process, common);
  plan.add("StartContainer", { op: "wait", slot: plan.slot("release") });
  compileExecve(plan, process, common);
  return { ...dropCapabilities(plan.finish()), newPidNamespace: namespaces.newPid && !inUser };
}

export function writeOomScore(score: number) {
  return {
    op: "write",
    path: "/proc/self/oom_score_adj",
    data: String(score),
  } as const;
}
