import type { ProcessSpec } from "../spec.ts";

/**
 * Returns an exec's process, with missing fields taken from the container. A `noNewPrivileges` of false can't be told
 * from a missing one, so the container's applies. Given capabilities and labels apply even if they allow more: the
 * host decides.
 */
export function inherit(own: ProcessSpec, given: ProcessSpec): ProcessSpec {
  const umask = given.user.umask ?? own.user.umask;
  return {
    ...given,
    user: umask === undefined ? given.user : { ...given.user, umask },
    rlimits: given.rlimits.length > 0 ? given.rlimits : own.rlimits,
    oomScoreAdj: given.oomScoreAdj === 0 ? own.oomScoreAdj : given.oomScoreAdj,
    noNewPrivileges: own.noNewPrivileges || given.noNewPrivileges,
    ...either(own, given, "capabilities"),
    ...either(own, given, "scheduler"),
    ...either(own, given, "ioPriority"),
    ...either(own, given, "execCPUAffinity"),
    ...either(own, given, "apparmorProfile"),
    ...either(own, given, "selinuxLabel"),
  };
}

function either<Key extends keyof ProcessSpec>(own: ProcessSpec, given: ProcessSpec, key: Key): Partial<ProcessSpec> {
  const value = given[key] ?? own[key];
  return value === undefined ? {} : { [key]: value };
}
