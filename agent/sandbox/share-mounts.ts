import type { Container } from "../container/container.ts";
import { isNamed, type SharedMount, shareMount } from "../container/shared-mounts.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** Attaches mounts of the pod's other containers, `all`, to `target`, which is being created. */
export async function shareMounts(
  kernel: Kernel,
  mounts: readonly SharedMount[],
  target: Container,
  all: readonly Container[],
  signal?: AbortSignal,
): Promise<void> {
  const ownerOf = ({ id, init: { pid, pidfd } }: Container) => ({ id, pid, pidfd });
  for (const mount of mounts) {
    const source = all.find(({ id, spec }) => isNamed(id, spec.annotations, mount.source));
    if (source === undefined || source.init.status !== undefined) {
      const why = `no container ${JSON.stringify(mount.source.slice(0, 80))} runs`;
      throw new AgentError("internal", `shared mount ${mount.name}: ${why}`);
    }
    await shareMount(kernel, mount, ownerOf(source), ownerOf(target), signal);
  }
}
