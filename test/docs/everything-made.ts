import { cgroupPath } from "../../agent/container/cgroup/cgroup-path.ts";
import { resourceWrites } from "../../agent/container/cgroup/cgroup-resources.ts";
import { deviceRules } from "../../agent/container/cgroup/device-rules.ts";
import { explainAgent } from "../../agent/container/explain/explain-agent.ts";
import { compileHook } from "../../agent/container/hooks/compile-hook.ts";
import { HOOK_KINDS } from "../../agent/container/hooks/hooks.ts";
import { checkSpec } from "../../agent/container/plan/check-spec.ts";
import { compileCreate } from "../../agent/container/plan/compile-create.ts";
import { compileExec } from "../../agent/container/plan/compile-exec.ts";
import type { CompiledPlan } from "../../agent/container/plan/plan-builder.ts";
import { personaOf } from "../../agent/container/process/personality.ts";
import { seccompFilter } from "../../agent/container/seccomp/seccomp-filter.ts";
import type { Spec } from "../../agent/container/spec.ts";
import { describeOp, detailOp } from "../../agent/kernel/init/describe-op.ts";

/** One step in the creation of a container: its text for people, and all its data for comparison. */
export interface Made {
  readonly text: string;
  readonly whole: string;
}

/**
 * Returns every step that creates a container from a spec, in a guest with AppArmor and SELinux. Throws the line that
 * refuses the spec.
 */
export function everythingMade(spec: Spec): readonly Made[] {
  checkSpec(spec);
  const { linux, process, hooks = {} } = spec;
  const seccomp = linux.seccomp && seccompFilter(linux.seccomp);
  const hasLabel = () => true;
  const context = { hasLabel, persona: personaOf(linux.personality), namespaces: linux.namespaces, seccomp };
  const create = compileCreate(spec, { env: process.env, hasLabel, seccomp });
  const exec = compileExec(process, { env: process.env, ...context });
  const ofHooks = HOOK_KINDS.flatMap((kind) =>
    (hooks[kind] ?? []).flatMap((hook, index) => [
      done(`${kind} hook, at most ${hook.timeout} s`),
      ...steps(compileHook(kind, index, hook, { id: "c", spec }, () => context)),
    ]),
  );
  return [
    done(`mkdir ${cgroupPath(linux.cgroupsPath, "c")}`),
    ...resourceWrites(linux.resources).map(({ file, value, instead }) =>
      done(`${file} ${instead?.file}`, value, instead),
    ),
    done("device filter", deviceRules(linux)),
    ...steps(create),
    done("clone3", create.newPidNamespace),
    ...steps(exec),
    ...ofHooks,
    ...explainAgent(spec).map(({ operation, object, reason }) => done(`${operation} ${object}`, reason)),
    done("state", spec.annotations),
    done("update", linux.resources.memory?.checkBeforeUpdate),
  ];
}

function done(text: string, ...more: readonly unknown[]): Made {
  return { text, whole: JSON.stringify([text, more]) };
}

function steps({ steps, slots }: CompiledPlan): Made[] {
  return steps.map(({ op }) => {
    const { call, object } = describeOp(op);
    const whole = JSON.stringify(op, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
    const words = op.op === "seccomp" ? op.program.join() : "";
    return { text: `${call} ${detailOp(op, slots) ?? object}`, whole: whole + words + slots.join() };
  });
}
