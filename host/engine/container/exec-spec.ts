import type { ContainerTarget } from "../guest/guest-target.ts";
import { processSpec, type RunOptions } from "../image/image-config.ts";

/** Returns the process to exec, based on the container's own. */
export function execSpec({ record }: ContainerTarget, args: readonly string[], options: RunOptions) {
  const { env = [], cwd = "/", user = "", rootfs = "/nonexistent" } = record ?? {};
  const config = { Env: env, WorkingDir: cwd, User: user };
  const spec = processSpec(config, rootfs, { ...options, entrypoint: [], args });
  return record === undefined ? { ...spec, Rlimits: [] } : spec;
}

/** True for a user that needs no look-up: "1000" or "1000:100". */
export function isNumeric(user: string): boolean {
  return /^[0-9:]*$/.test(user);
}
