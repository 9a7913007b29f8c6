import type { Container } from "../container/container.ts";
import type { Process } from "../container/process/process.ts";
import { isNamed, type SharedMount, shareMount } from "../container/shared-mounts.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** The part of a container that sharing its mounts needs. */
export type MountSharer = Pick<Container, "id" | "spec"> & { readonly init: Pick<Process, "pid" | "pidfd" | "status"> };

/** Attaches mounts of the pod's other containers, `all`, to `target`, which is being created. */
export async function shareMounts(
  kernel: Kernel,
  mounts: readonly SharedMount[],
  target: MountSharer,
  all: readonly MountSharer[],
  signal?: AbortSignal,
): Promise<void> {
  const ownerOf = ({ id, init: { pid, pidfd } }: MountSharer) => ({ id, pid, pidfd });
  for (const mount of mounts) {
    const source = all.find(({ id, spec }) => isNamed(id, spec.annotations, mount.source));
    if (source === undefined || source.init.status !== undefined) {
      const why = `no container ${JSON.stringify(mount.source.slice(0, 80))} runs`;
      throw new AgentError("internal", `shared mount ${mount.name}: ${why}`);
    }
    await shareMount(kernel, mount, ownerOf(source), ownerOf(target), signal);
  }
}
