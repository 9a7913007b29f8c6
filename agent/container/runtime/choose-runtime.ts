import type { Kernel } from "../../kernel/kernel.ts";
import { killCgroup } from "../cgroup/cgroup.ts";
import type { HooksSpec } from "../hooks/hooks.ts";
import type { Spec } from "../spec.ts";
import { Launcher } from "./built-in-runtime.ts";
import { askedRuntime, asksForRuntime } from "./find-runtime.ts";
import { OciRuntime } from "./oci-runtime.ts";
import type { ContainerOptions, Maker } from "./runtime.ts";

/** The maker that the annotations of the spec ask for. Throws one line for a runtime that is not known. */
export function makerOf(kernel: Kernel, options: ContainerOptions): Maker {
  const name = askedRuntime(options.spec.annotations);
  return name === undefined ? new Launcher(kernel, options) : new OciRuntime(kernel, options, name);
}

/** The hooks that are for us to run: another runtime runs its containers' own. */
export function launcherHooks({ hooks, annotations }: Spec): HooksSpec | undefined {
  return asksForRuntime(annotations) ? undefined : hooks;
}

/** Takes away what is left of a container whose creation or removal was cut off by the agent's death. */
export async function clearRemains(kernel: Kernel, options: ContainerOptions): Promise<void> {
  killCgroup(kernel.files, options.cgroup);
  await makerOf(kernel, options).remove();
}
