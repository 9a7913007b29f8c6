import type { Kernel } from "../../kernel/kernel.ts";
import { killCgroup } from "../cgroup/cgroup.ts";
import type { HooksSpec } from "../hooks/hooks.ts";
import type { Spec } from "../spec.ts";
import { BuiltInRuntime } from "./built-in-runtime.ts";
import { askedRuntime, asksForRuntime } from "./find-runtime.ts";
import { OciRuntime } from "./oci-runtime.ts";
import type { ContainerOptions, Runtime } from "./runtime.ts";

/** The runtime that the annotations of the spec ask for. Throws one line for a runtime that is not known. */
export function chooseRuntime(kernel: Kernel, options: ContainerOptions): Runtime {
  const name = askedRuntime(options.spec.annotations);
  return name === undefined ? new BuiltInRuntime(kernel, options) : new OciRuntime(kernel, options, name);
}

/** The hooks that are for us to run: another runtime runs its containers' own. */
export function builtInHooks({ hooks, annotations }: Spec): HooksSpec | undefined {
  return asksForRuntime(annotations) ? undefined : hooks;
}

/** Takes away what is left of a container whose creation or removal was cut off by the agent's death. */
export async function clearRemains(kernel: Kernel, options: ContainerOptions): Promise<void> {
  killCgroup(kernel.files, options.cgroup);
  await chooseRuntime(kernel, options).remove();
}
