import type { Files } from "../../kernel/files.ts";

/**
 * More than a service manager in a container needs. A bound is needed because the kernel charges most of a cgroup's
 * memory to no container.
 */
export const MAX_DESCENDANTS = "512";

/**
 * Limits the cgroups that a container's processes may create below its own. `linux.resources.unified` may set another
 * number.
 */
export function limitDescendants(files: Pick<Files, "writeText" | "exists">, directory: string): void {
  const file = `${directory}/cgroup.max.descendants`;
  if (files.exists(file)) files.writeText(file, MAX_DESCENDANTS);
}
