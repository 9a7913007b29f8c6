import { CLONE_NEWIPC, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from "../../kernel/constants.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { holdable } from "../../kernel/plain-path.ts";
import { fileSystemAnswers } from "../../kernel/wait/file-system-answers.ts";
import { openForReading } from "../files-in-root.ts";
import { openUserNamespace } from "../namespaces/user-namespace.ts";
import type { MountSpec, Spec } from "../spec.ts";
import { parseMountOptions } from "./mount-options.ts";
import { openDevpts } from "./open-devpts.ts";
import { isIdmapped, mountSlot, type OwnMount, ownMounts } from "./own-mounts.ts";

/**
 * Creates the mounts that ownMounts lists, detached, and adds each to `slots` under its name in the plan. `slots`
 * already holds the namespaces that the container joins.
 */
export async function openOwnMounts(
  kernel: Kernel,
  spec: Spec,
  slots: Map<string, Fd>,
  signal?: AbortSignal,
): Promise<void> {
  for (const [index, kind] of ownMounts(spec)) {
    const mount = spec.mounts[index];
    if (mount === undefined) continue;
    if (kind === "bind") await fileSystemAnswers(kernel.files, mount.source, signal);
    slots.set(mountSlot(index), await open(kernel, spec, mount, kind, slots));
  }
}

async function open(
  kernel: Kernel,
  spec: Spec,
  mount: MountSpec,
  kind: OwnMount,
  slots: ReadonlyMap<string, Fd>,
): Promise<Fd> {
  const { sys } = kernel;
  const { recursive } = parseMountOptions(mount.options);
  if (kind === "devpts") return openDevpts(kernel, mount, spec.linux);
  if (kind === "mqueue") return openMqueue(kernel, mount, slots.get("ns:ipc"));
  // Without its submounts, such as the guest's whole cgroup tree.
  if (kind === "sysfs") return sys.openTree("/sys", false);
  const tree = await holdable.run(mount.source, () => sys.openTree(mount.source, recursive));
  try {
    if (isIdmapped(mount)) await mapIds(kernel, mount, tree, slots.get("ns:user"));
    return tree;
  } catch (error) {
    sys.close(tree);
    throw error;
  }
}

async function mapIds(kernel: Kernel, mount: MountSpec, tree: Fd, containerUser: Fd | undefined): Promise<void> {
  const { uidMappings = [], gidMappings = [] } = mount;
  const recursive = parseMountOptions(mount.options).idmap === "ridmap";
  const own = uidMappings.length > 0;
  const user = own ? await openUserNamespace(kernel, uidMappings, gidMappings) : containerUser;
  if (user === undefined) throw new AgentError("internal", `idmap of ${mount.destination}: no user namespace`);
  try {
    kernel.sys.idmapMount(tree, user, recursive, mount.source);
  } finally {
    if (own) kernel.sys.close(user);
  }
}

/**
 * Mounts the queues of an ipc namespace that the container joins. Synchronous, because the main thread is in that
 * namespace meanwhile.
 */
function openMqueue({ sys }: Kernel, mount: MountSpec, ipc: Fd | undefined): Fd {
  const { set } = parseMountOptions(mount.options);
  const attributes = set === 0 ? MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC : set;
  const make = () => sys.detachedMount("mqueue", [["source", mount.source || "mqueue"]], attributes);
  if (ipc === undefined) return make();
  using undo = new DisposableStack();
  const own = undo.adopt(openForReading("/proc/thread-self/ns/ipc"), sys.close);
  sys.setns(ipc, CLONE_NEWIPC);
  undo.defer(() => sys.setns(own, CLONE_NEWIPC));
  return make();
}
