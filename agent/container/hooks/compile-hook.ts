import { bundlePath } from "../bundle.ts";
import { compileExec, hasUserNamespace, joinFlags } from "../plan/compile-exec.ts";
import { type LaunchPlan, PlanBuilder } from "../plan/plan-builder.ts";
import type { ExecContext } from "../process/exec-context.ts";
import type { HookedContainer } from "./hook-state.ts";
import type { HookKind, HookSpec } from "./hooks.ts";

/**
 * Compiles the plan of one hook. startContainer runs in the container like its process: with the same user,
 * capabilities and limits. createContainer runs in the container's namespaces before the pivot, so its path is a
 * guest path. The others run in the guest. Each waits for its release right before execve: a hook that is cancelled
 * before has no children. Slots: report, release, stdio; for the two kinds inside the container also cgroup and init.
 */
export function compileHook(
  kind: HookKind,
  index: number,
  hook: HookSpec,
  container: HookedContainer,
  /** Called only for the kind startContainer. */
  context: () => ExecContext,
): LaunchPlan {
  const { path, env } = hook;
  const args = hook.args.length === 0 ? [path] : hook.args;
  const reason = `hooks.${kind}[${index}]`;
  if (kind === "startContainer") {
    const process = { ...container.spec.process, terminal: false, args, env };
    const plan = compileExec(process, { env, ...context(), bornLast: true });
    const find = { op: { op: "find", candidates: [path] }, reason } as const;
    const wait = { op: { op: "wait", slot: plan.slots.length }, reason } as const;
    const steps = plan.steps.flatMap((step) => {
      if (step.op.op === "find") return [find];
      return step.op.op === "exec" ? [wait, step] : [step];
    });
    return { ...plan, steps, slots: [...plan.slots, "release"] };
  }
  const plan = new PlanBuilder();
  plan.slot("report");
  plan.add(reason, { op: "setsid" });
  if (kind === "createContainer") {
    plan.slot("cgroup");
    const { namespaces } = container.spec.linux;
    plan.add(reason, { op: "setns", slot: plan.slot("init"), flags: joinFlags(namespaces) });
    if (hasUserNamespace(namespaces)) plan.add(reason, { op: "user", uid: 0, gid: 0, groups: [] });
  }
  const [stdin, stdout, stderr] = [plan.slot("stdin"), plan.slot("stdout"), plan.slot("stderr")];
  plan.add(reason, { op: "stdio", stdin, stdout, stderr });
  plan.add(reason, { op: "umask", mask: 0o022 });
  const cwd = kind === "createContainer" ? container.spec.root.path : bundlePath(container.id);
  plan.add(reason, { op: "chdir", path: cwd });
  plan.add(reason, { op: "find", candidates: [path] });
  plan.add(reason, { op: "wait", slot: plan.slot("release") });
  plan.add(reason, { op: "exec", args, env });
  return plan.finish();
}
