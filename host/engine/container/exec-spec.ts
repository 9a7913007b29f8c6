import type { ContainerTarget } from "../guest/guest-target.ts";
import { processSpec, type RunOptions } from "../image/image-config.ts";

/** Returns the process to exec, based on the container's own. */
export function execSpec({ record }: ContainerTarget, args: readonly string[], options: RunOptions) {
  const { env = [], cwd = "/", user = "", rootfs = "/nonexistent" } = record ?? {};
  const config = { Env: env, WorkingDir: cwd, User: user };
  const spec = processSpec(config, rootfs, { ...options, entrypoint: [], args });
  return record === undefined ? { ...spec, Rlimits: [] } : spec;
}
