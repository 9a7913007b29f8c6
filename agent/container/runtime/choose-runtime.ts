import type { Kernel } from "../../kernel/kernel.ts";
import { killCgroup } from "../cgroup/cgroup.ts";
import type { HooksSpec } from "../hooks/hooks.ts";
import type { Spec } from "../spec.ts";
import { BuiltInRuntime } from "./built-in-runtime.ts";
import { requestedRuntime, requestsRuntime } from "./find-runtime.ts";
import { OciRuntime } from "./oci-runtime.ts";
import type { ContainerOptions, Runtime } from "./runtime.ts";

/**
 * Returns the runtime that the spec's annotations name, or the built-in one. Throws one line for an unknown runtime.
 */
export function chooseRuntime(kernel: Kernel, options: ContainerOptions): Runtime {
  const name = requestedRuntime(options.spec.annotations);
  return name === undefined ? new BuiltInRuntime(kernel, options) : new OciRuntime(kernel, options, name);
}

/** The hooks that guestd runs itself; none if another runtime runs its containers' hooks. */
export function builtInHooks({ hooks, annotations }: Spec): HooksSpec | undefined {
  return requestsRuntime(annotations) ? undefined : hooks;
}

/** Cleans up a container whose creation or removal was interrupted by the agent's death. */
export async function clearRemains(kernel: Kernel, options: ContainerOptions): Promise<void> {
  killCgroup(kernel.files, options.cgroup);
  await chooseRuntime(kernel, options).remove();
}
