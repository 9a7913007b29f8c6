import { withPrivilegedDevices } from "../container/cgroup/privileged-devices.ts";
import { type HooksSpec, mergeHooks } from "../container/hooks/hooks.ts";
import { checkSpec } from "../container/plan/check-spec.ts";
import { type NamedUser, resolveUser } from "../container/process/named-user.ts";
import type { Spec } from "../container/spec.ts";
import type { AttachedDevice } from "../device/attach-device.ts";
import type { FoundEdits } from "../device/cdi/cdi-devices.ts";
import { guestRoot } from "../kernel/files/contained-files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { GuestDevice } from "./guest-rules.ts";
import { hasOwnUts, podNamespaces } from "./pod-namespaces.ts";
import { cdiDevices, cdiHooks, withCdi } from "./with-cdi.ts";
import { guestDevices, withDevices } from "./with-devices.ts";

/**
 * Turns the host's spec into that of a container in the pod: in the pod's namespaces, with the hooks of the guest and of CDI devices.
 * Throws for an unsupported spec. `pidPath` is the pod's pid namespace if the container joins it.
 */
export function podSpec(
  { spec, sharePid }: Pick<ContainerRequest, "spec" | "sharePid">,
  {
    hooks,
    edits,
    pidPath,
  }: { hooks?: HooksSpec | undefined; edits?: FoundEdits | undefined; pidPath?: string | undefined },
): Spec {
  const namespaces = podNamespaces(spec.linux.namespaces, { sharePid, ownUts: hasOwnUts(spec.annotations), pidPath });
  const own = edits === undefined ? spec.hooks : mergeHooks(spec.hooks, cdiHooks(edits));
  const merged = mergeHooks(own, hooks);
  const placed = withPrivilegedDevices({ ...spec, linux: { ...spec.linux, namespaces } });
  const asked = merged === undefined ? placed : { ...placed, hooks: merged };
  checkSpec(asked);
  return asked;
}

/** A container's devices as found in the guest. */
export interface FoundDevices {
  readonly attached: readonly AttachedDevice[];
  readonly edits: FoundEdits | undefined;
}

/** Returns the spec with the guest's devices; the same object if nothing changes. Throws if a CDI device makes the spec unsupported. */
export function guestSpec(spec: Spec, { attached, edits }: FoundDevices): Spec {
  const withNumbers = withDevices(spec, attached);
  if (edits === undefined) return withNumbers;
  const edited = withCdi(withNumbers, edits);
  checkSpec(edited);
  return edited;
}

/** Returns the container's devices, for the device rules of later updates. */
export function givenDevices(spec: Spec, { attached, edits }: FoundDevices): GuestDevice[] {
  return [...guestDevices(spec, attached), ...(edits === undefined ? [] : cdiDevices(edits))];
}

/** Replaces a named user by its numbers, looked up in the container's own files. */
export async function withUser(
  { contained }: Kernel,
  id: string,
  spec: Spec,
  named: NamedUser | undefined,
  signal?: AbortSignal,
): Promise<Spec> {
  const user = await resolveUser(contained, guestRoot(id, spec.root.path), spec.process.user, named, signal);
  return user === spec.process.user ? spec : { ...spec, process: { ...spec.process, user } };
}
