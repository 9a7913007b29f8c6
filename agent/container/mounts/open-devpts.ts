import { chownSync } from "node:fs";
import { MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from "../../kernel/constants.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { hostId } from "../namespaces/user-namespace.ts";
import type { LinuxSpec, MountSpec } from "../spec.ts";
import { parseMountOptions } from "./mount-options.ts";

/**
 * Maximum number of ptys of a container, unless its spec sets another: the kernel charges 23 KiB of each to no
 * container.
 */
const MAX_PTYS = "256";

/**
 * Creates the container's own devpts instance as a detached mount. Its options name ids of the container, which are
 * translated to the guest's if there is a user namespace.
 */
export function openDevpts({ sys }: Kernel, mountSpec: MountSpec, linux: LinuxSpec): Fd {
  const { set } = parseMountOptions(mountSpec.options);
  const options = [["source", mountSpec.source || "devpts"] as const, ...devptsOptions(mountSpec, linux)];
  const mount = sys.detachedMount("devpts", options, set === 0 ? MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC : set);
  try {
    giveToRoot(mount, linux);
    return mount;
  } catch (error) {
    sys.close(mount);
    throw error;
  }
}

/** Options for the kernel, without newinstance: every devpts mount is a new instance. */
export function devptsOptions({ options }: MountSpec, linux: LinuxSpec): (readonly [string, string?])[] {
  const { data } = parseMountOptions(options);
  const given = data.filter(([key]) => key !== "newinstance").map((option) => outsideIds(option, linux));
  if (!given.some(([key]) => key === "max")) given.push(["max", MAX_PTYS]);
  return linux.mountLabel ? [...given, ["context", linux.mountLabel]] : given;
}

/** Gives the directory and ptmx to the root of the user namespace: the guest's root created them. */
function giveToRoot(devpts: Fd, { uidMappings = [], gidMappings = [] }: LinuxSpec): void {
  const [uid, gid] = [hostId(uidMappings, 0), hostId(gidMappings, 0)];
  if (uid === undefined || gid === undefined) return;
  for (const name of ["", "/ptmx"]) chownSync(`/proc/self/fd/${devpts}${name}`, uid, gid);
}

function outsideIds(
  option: readonly [string, string?],
  { uidMappings = [], gidMappings = [] }: LinuxSpec,
): readonly [string, string?] {
  const [key, value] = option;
  const mappings = key === "uid" ? uidMappings : key === "gid" ? gidMappings : [];
  const id = hostId(mappings, Number(value));
  return id === undefined ? option : [key, String(id)];
}
