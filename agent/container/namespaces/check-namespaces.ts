import { checkMappings } from "../mounts/check-mounts.ts";
import { propagationFlags } from "../mounts/compile-root.ts";
import { refuse } from "../refuse.ts";
import type { Spec } from "../spec.ts";
import { sortNamespaces } from "./namespaces.ts";
import { hostId } from "./user-namespace.ts";

const CLOCKS = new Set(["monotonic", "boottime"]);
const MAX_NANOSECS = 999_999_999;

/** Throws one line naming the namespace, mapping, clock or propagation that is invalid or unsupported. */
export function checkNamespaces({ linux, hostname, domainname }: Spec): void {
  const { namespaces, rootfsPropagation } = linux;
  const { refused, twice, user, newTime } = sortNamespaces(namespaces);
  const has = (...types: string[]) => namespaces.some(({ type }) => types.includes(type));
  if (refused[0] !== undefined) throw refuse("linux.namespaces", `"${refused[0]}" is not supported`);
  if (twice[0] !== undefined) throw refuse("linux.namespaces", `names "${twice[0]}" twice`);
  if (hostname !== "" && !has("uts")) throw refuse("hostname", "needs a uts namespace");
  if (domainname !== "" && !has("uts")) throw refuse("domainname", "needs a uts namespace");
  if (!has("mount", "mnt")) throw refuse("linux.namespaces", "has no mount namespace; a container needs one");
  if (propagationFlags(rootfsPropagation) === undefined) {
    throw refuse("linux.rootfsPropagation", `"${rootfsPropagation}" is not one of shared, slave, private, unbindable`);
  }
  checkUser(linux, user);
  checkTime(linux.timeOffsets ?? {}, newTime);
}

function checkUser({ uidMappings = [], gidMappings = [] }: Spec["linux"], user: string | undefined): void {
  const fields = [
    ["linux.uidMappings", uidMappings],
    ["linux.gidMappings", gidMappings],
  ] as const;
  for (const [field, mappings] of fields) {
    if (user === undefined && mappings.length > 0) throw refuse(field, "needs a user namespace");
    if (user === undefined || (user !== "" && mappings.length === 0)) continue;
    checkMappings(field, mappings);
    if (hostId(mappings, 0) === undefined) throw refuse(field, "has no container id 0, which container set-up needs");
  }
}

function checkTime(offsets: NonNullable<Spec["linux"]["timeOffsets"]>, newTime: boolean): void {
  for (const [clock, { secs, nanosecs }] of Object.entries(offsets)) {
    const field = `linux.timeOffsets["${clock}"]`;
    if (!newTime) throw refuse(field, "needs a new time namespace");
    if (!CLOCKS.has(clock)) throw refuse(field, "is not a clock of a time namespace; use monotonic or boottime");
    if (!Number.isSafeInteger(secs) || nanosecs > MAX_NANOSECS) {
      throw refuse(field, `${secs} s ${nanosecs} ns is out of range`);
    }
  }
}
