import type { ProcessSpec } from "../spec.ts";

/**
 * The process of an exec: what was not given is the container's. A `noNewPrivileges` of false can't be told from none, so that of
 * the container holds. Capabilities and labels that are given count, even where they allow more: that is the host's to say.
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
