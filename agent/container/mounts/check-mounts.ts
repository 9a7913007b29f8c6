import type { AgentError } from "../../kernel/error.ts";
import { sortNamespaces } from "../namespaces/namespaces.ts";
import { refuse } from "../refuse.ts";
import type { IdMapping, MountSpec, Spec } from "../spec.ts";
import { cleanTarget, isBind, isCoverable } from "./mount-kind.ts";
import { parseMountOptions } from "./mount-options.ts";
import { isIdmapped } from "./own-mounts.ts";

/** Options of the whole file system, which a bind mount shares with its source: mount(2) ignores them. */
const SOURCE_OPTIONS = new Set(["sync", "dirsync", "mand", "nomand", "lazytime", "nolazytime"]);
const CGROUPS = new Set(["cgroup", "cgroup2"]);
const MAX_ID = 2 ** 32 - 1;
/** The kernel's limit. */
const MAX_LINES = 340;
const MAX_MOUNTS = 4096;

/** Throws one line naming the first mount and option that is invalid or that the launch plan doesn't support. */
export function checkMounts(spec: Spec): void {
  const { user } = sortNamespaces(spec.linux.namespaces);
  const count = spec.mounts.length;
  if (count > MAX_MOUNTS) throw refuse("mounts", `has ${count} entries, more than ${MAX_MOUNTS}`);
  for (const [index, mount] of spec.mounts.entries()) {
    const field = `mounts[${index}] (${mount.destination})`;
    if (mount.destination === "") throw refuse(field, "has no destination");
    if ([mount.destination, mount.source, mount.type, ...mount.options].some((text) => text.includes("\0"))) {
      throw refuse(field, "has a NUL byte in it");
    }
    const option = (name: string, why: string) => refuse(`${field} option "${name}"`, why);
    const options = parseMountOptions(mount.options);
    const [unsupported] = options.unsupported;
    if (unsupported !== undefined) throw option(unsupported, "is not supported");
    if (options.copyUp && (mount.type !== "tmpfs" || isBind(mount) || options.remount)) {
      throw option("tmpcopyup", "is for a new tmpfs only");
    }
    if (options.remount) checkRemount(options, option);
    else if (isBind(mount)) checkBind(mount, field);
    checkProc(mount, field);
    if (isIdmapped(mount)) checkIdmap(mount, field, user !== undefined);
  }
}

/** Returns one warning for each ignored option. Other runtimes ignore these options as well. */
export function mountWarnings(mounts: readonly MountSpec[]): string[] {
  return mounts.flatMap((mount, index) => {
    const { data, remount } = parseMountOptions(mount.options);
    if (remount) return [];
    const why = isBind(mount)
      ? "a bind mount shares its source's file system"
      : CGROUPS.has(mount.type) && "cgroup2 takes its options from the guest";
    if (why === false) return [];
    const options = data.filter(([key]) => !SOURCE_OPTIONS.has(key)).map((option) => option.join("="));
    const field = `OCI spec: mounts[${index}] (${mount.destination})`;
    return options.map((option) => `${field} option "${option}" is ignored: ${why}`);
  });
}

type RefuseOption = (name: string, why: string) => AgentError;

function checkRemount(options: ReturnType<typeof parseMountOptions>, option: RefuseOption): void {
  const { below, propagation, idmap } = options;
  if ((below.set | below.clear | propagation) !== 0 || idmap !== undefined) {
    throw option("remount", "can't be combined with recursive, propagation or idmap options");
  }
}

function checkBind(mount: MountSpec, field: string): void {
  if (mount.type === "cgroup") throw refuse(field, "cgroup with bind is not supported");
  if (!mount.source.startsWith("/")) throw refuse(field, `bind source "${mount.source}" is not an absolute path`);
}

/**
 * Security-sensitive tools rely on /proc: only a proc file system may cover it, and only a few files in it may be
 * covered.
 */
function checkProc(mount: MountSpec, field: string): void {
  const target = cleanTarget(mount.destination);
  if (parseMountOptions(mount.options).remount) return;
  if (target === "/proc" && mount.type !== "proc" && !(isBind(mount) && cleanTarget(mount.source) === "/proc")) {
    throw refuse(field, "covers /proc with something other than a proc file system");
  }
  if (target.startsWith("/proc/") && !isCoverable(target)) {
    throw refuse(field, "is inside /proc, where only a few files may be covered");
  }
}

function checkIdmap(mount: MountSpec, field: string, hasUser: boolean): void {
  const { uidMappings = [], gidMappings = [] } = mount;
  if (!isBind(mount) || parseMountOptions(mount.options).remount) {
    throw refuse(field, "requests idmapping, which only a bind mount supports");
  }
  if (uidMappings.length === 0 && gidMappings.length === 0) {
    if (!hasUser)
      throw refuse(field, "requests idmapping, but has no uidMappings and the container has no user namespace");
    return;
  }
  checkMappings(`${field} uidMappings`, uidMappings);
  checkMappings(`${field} gidMappings`, gidMappings);
}

export function checkMappings(field: string, mappings: readonly IdMapping[]): void {
  if (mappings.length === 0) throw refuse(field, "is empty");
  if (mappings.length > MAX_LINES) throw refuse(field, `has ${mappings.length} lines, more than ${MAX_LINES}`);
  for (const { containerID, hostID, size } of mappings) {
    if (size === 0 || containerID + size > MAX_ID || hostID + size > MAX_ID) {
      throw refuse(field, `${containerID} ${hostID} ${size} is not a valid id range`);
    }
  }
}
