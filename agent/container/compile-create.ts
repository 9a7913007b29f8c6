import * as abi from "../kernel/constants.ts";
import { compileDevices } from "./compile-devices.ts";
import { compileMounts, compilePaths, isDevBound, isDevpts, type SourceKind } from "./compile-mounts.ts";
import { compileExecve, compileProcess } from "./compile-process.ts";
import { hasCreateHooks } from "./hooks.ts";
import { sortNamespaces } from "./namespaces.ts";
import { personaOf } from "./personality.ts";
import { type CompiledPlan, PlanBuilder } from "./plan-builder.ts";
import type { SeccompFilter } from "./seccomp-filter.ts";
import { checkMountLabel, compileLabels, type HasModule } from "./security-labels.ts";
import type { Spec } from "./spec.ts";
import { compileSysctls } from "./sysctl.ts";

export interface CreatePlan extends CompiledPlan {
  readonly newPidNamespace: boolean;
  /** The agent has to make a devpts instance and hand its mount over in the slot "devpts". */
  readonly ownDevpts: boolean;
}

/**
 * The plan that creates a container and blocks before execve until a byte comes through the slot "release".
 * Slots: report, cgroup, pid, ns:<type>, devpts, stdin/stdout/stderr or terminal, release.
 */
export function compileCreate(
  spec: Spec,
  context: {
    /** The process's environment, complete with HOME. */
    readonly env: readonly string[];
    readonly sourceKind: SourceKind;
    readonly hasModule: HasModule;
    /** Of linux.seccomp. */
    readonly seccomp?: SeccompFilter | undefined;
  },
): CreatePlan {
  const plan = new PlanBuilder();
  const { process, linux } = spec;
  const namespaces = sortNamespaces(linux.namespaces);
  const ownDevpts = process.terminal && spec.mounts.some(isDevpts);
  checkMountLabel(linux.mountLabel ?? "", context.hasModule);
  plan.slot("report");
  plan.slot("cgroup");
  if (namespaces.pidPath !== undefined) plan.slot("pid");
  plan.add("process.oomScoreAdj", writeOomScore(process.oomScoreAdj));
  compileLabels(plan, process, context.hasModule);
  plan.add("every process", { op: "setsid" });
  for (const { flag, type } of namespaces.join) {
    plan.add("linux.namespaces", {
      op: "setns",
      slot: plan.slot(`ns:${type}`),
      flags: flag,
    });
  }
  plan.add("linux.namespaces", { op: "unshare", flags: namespaces.create });
  if (spec.hostname !== "") plan.add("hostname", { op: "sethostname", name: spec.hostname });
  if (spec.domainname !== "") plan.add("domainname", { op: "setdomainname", name: spec.domainname });
  compileSysctls(plan, linux.sysctl ?? {});
  plan.add("linux.rootfsPropagation", {
    op: "propagate",
    path: "/",
    flags: abi.MS_REC | (linux.rootfsPropagation === "private" ? abi.MS_PRIVATE : abi.MS_SLAVE),
  });
  plan.add("root.path", {
    op: "open-tree",
    from: "guest",
    path: spec.root.path,
    recursive: true,
  });
  plan.add("root.path", { op: "root", path: spec.root.path });
  compileMounts(plan, spec.mounts, {
    sourceKind: context.sourceKind,
    devptsSlot: ownDevpts,
    label: linux.mountLabel ?? "",
  });
  if (!isDevBound(spec.mounts)) compileDevices(plan, linux.devices);
  if (ownDevpts) {
    const path = "/dev/pts/0"; // the first pty of a new instance
    plan.add("process.terminal", {
      op: "open-tree",
      from: "root",
      path,
      recursive: false,
    });
    plan.add("process.terminal", {
      op: "attach",
      target: "/dev/console",
      kind: "file",
    });
  }
  // Hooks may still change what is masked or made read-only after them, as with runc.
  if (hasCreateHooks(spec.hooks)) plan.add("hooks", { op: "wait", slot: plan.slot("release") });
  compilePaths(plan, linux.maskedPaths, linux.readonlyPaths, false);
  plan.add("process.cwd", { op: "mkdir", path: process.cwd, mode: 0o755 });
  compilePaths(plan, [], [], spec.root.readonly);
  plan.add("root", { op: "pivot" });
  const common = { env: context.env, persona: personaOf(linux.personality), seccomp: context.seccomp };
  compileProcess(plan, process, common);
  plan.add("StartContainer", { op: "wait", slot: plan.slot("release") });
  compileExecve(plan, process, common);
  return { ...plan.finish(), newPidNamespace: namespaces.newPid, ownDevpts };
}

export function writeOomScore(score: number) {
  return {
    op: "write",
    path: "/proc/self/oom_score_adj",
    data: String(score),
  } as const;
}
