import { withPrivilegedDevices } from "../container/cgroup/privileged-devices.ts";
import { type HooksSpec, mergeHooks } from "../container/hooks/hooks.ts";
import { checkSpec } from "../container/plan/check-spec.ts";
import { type NamedUser, resolveUser } from "../container/process/named-user.ts";
import type { Spec } from "../container/spec.ts";
import type { AttachedDevice } from "../device/attach-device.ts";
import type { FoundEdits } from "../device/cdi/cdi-devices.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { GuestDevice } from "./guest-rules.ts";
import { podNamespaces } from "./pod-namespaces.ts";
import { cdiDevices, cdiHooks, withCdi } from "./with-cdi.ts";
import { guestDevices, withDevices } from "./with-devices.ts";

/**
 * A host's spec as one of a container of the pod: in the pod's namespaces, with hooks of the guest and of CDI devices.
 * Throws when it can't be carried. `pidPath`: the pod's pid namespace, to be joined.
 */
export function podSpec(
  { spec, sharePid }: Pick<ContainerRequest, "spec" | "sharePid">,
  {
    hooks,
    edits,
    pidPath,
  }: { hooks?: HooksSpec | undefined; edits?: FoundEdits | undefined; pidPath?: string | undefined },
): Spec {
  const namespaces = podNamespaces(spec.linux.namespaces, { sharePid, pidPath });
  const own = edits === undefined ? spec.hooks : mergeHooks(spec.hooks, cdiHooks(edits));
  const merged = mergeHooks(own, hooks);
  const placed = withPrivilegedDevices({ ...spec, linux: { ...spec.linux, namespaces } });
  const asked = merged === undefined ? placed : { ...placed, hooks: merged };
  checkSpec(asked);
  return asked;
}

/** What only the guest knows of the devices of a container. */
export interface FoundDevices {
  readonly attached: readonly AttachedDevice[];
  readonly edits: FoundEdits | undefined;
}

/** The same object where nothing of it changes. Throws when what CDI devices change can't be carried. */
export function guestSpec(spec: Spec, { attached, edits }: FoundDevices): Spec {
  const withNumbers = withDevices(spec, attached);
  if (edits === undefined) return withNumbers;
  const edited = withCdi(withNumbers, edits);
  checkSpec(edited);
  return edited;
}

/** Devices that a container is given, for rules that come later. */
export function givenDevices(spec: Spec, { attached, edits }: FoundDevices): GuestDevice[] {
  return [...guestDevices(spec, attached), ...(edits === undefined ? [] : cdiDevices(edits))];
}

/** With the numbers of a user by name, which only the container's own files tell. */
export async function withUser(
  { sys }: Kernel,
  spec: Spec,
  named: NamedUser | undefined,
  signal?: AbortSignal,
): Promise<Spec> {
  const user = await resolveUser(sys, spec.root.path, spec.process.user, named, signal);
  return user === spec.process.user ? spec : { ...spec, process: { ...spec.process, user } };
}
