import { capabilityNames } from "../capabilities.ts";
import { RLIMITS } from "../constants.ts";
import { ADMIN, capabilities, hex, NOTHING, operation } from "./operation.ts";

const UNLIMITED = 2n ** 64n - 1n;

/** Operations on a process's limits, identity, capabilities, scheduling and filter, as in agent/native/init/ops-attributes.c. */
export const ATTRIBUTE_OPS = {
  /** prlimit(2); values are unsigned 64-bit, 2^64-1 is unlimited. */
  rlimit: operation({
    code: 32,
    args: { resource: "u32", soft: "u64", hard: "u64" },
    needs: capabilities("SYS_RESOURCE"),
    call: "setrlimit",
    object: ({ resource, soft, hard }) => `resource ${resource} to ${soft}/${hard}`,
    detail: ({ resource, soft, hard }) =>
      `${RLIMITS[resource] ?? `resource ${resource}`} ${limitText(soft)} hard ${limitText(hard)}`,
  }),

  umask: operation({ code: 33, args: { mask: "u32" }, needs: NOTHING, object: ({ mask }) => mask.toString(8) }),

  /** Drops every capability outside the mask from the bounding set. */
  bounding: operation({
    code: 34,
    args: { mask: "u64" },
    needs: capabilities("SETPCAP"),
    call: "capabilities (bounding)",
    object: ({ mask }) => hex(mask),
    detail: ({ mask }) => capabilityNames(mask),
  }),

  /** Drops every capability outside the mask from the effective, permitted and inheritable sets. */
  drop: operation({
    code: 51,
    args: { mask: "u64" },
    needs: NOTHING,
    call: "capabilities (drop)",
    object: ({ mask }) => hex(mask),
    detail: ({ mask }) => capabilityNames(mask),
  }),

  /** PR_SET_KEEPCAPS. */
  keepcaps: operation({ code: 35, args: {}, needs: NOTHING, object: "" }),

  /** setgroups, setresgid, setresuid. */
  user: operation({
    code: 36,
    args: { uid: "u32", gid: "u32", groups: "numbers" },
    needs: capabilities("SETUID", "SETGID"),
    call: "set user",
    object: ({ uid, gid }) => `${uid}:${gid}`,
    detail: ({ uid, gid, groups }) => `${uid}:${gid}${groups.length === 0 ? "" : ` groups ${groups.join(" ")}`}`,
  }),

  /** capset(2). */
  capset: operation({
    code: 37,
    args: { effective: "u64", permitted: "u64", inheritable: "u64" },
    needs: NOTHING,
    object: ({ permitted }) => `permitted ${hex(permitted)}`,
    detail({ effective, permitted, inheritable }) {
      if (effective === permitted && permitted === inheritable) return `all sets ${capabilityNames(effective)}`;
      const sets = Object.entries({ effective, permitted, inheritable });
      return sets.map(([name, mask]) => `${name} ${capabilityNames(mask)}`).join("; ");
    },
  }),

  /** Clears the ambient set, then raises the capabilities in the mask. */
  ambient: operation({
    code: 38,
    args: { mask: "u64" },
    needs: NOTHING,
    call: "capabilities (ambient)",
    object: ({ mask }) => hex(mask),
    detail: ({ mask }) => capabilityNames(mask),
  }),

  "no-new-privs": operation({ code: 39, args: {}, needs: NOTHING, object: "" }),

  /** sched_setattr(2). */
  scheduler: operation({
    code: 40,
    args: { attributes: "scheduler" },
    needs: capabilities("SYS_NICE"),
    call: "sched_setattr",
    object: ({ attributes: { policy, nice, priority, flags } }) =>
      `policy ${policy}, nice ${nice}, priority ${priority}, flags ${hex(flags)}`,
  }),

  /** ioprio_set(2): class << 13 | level. */
  "io-priority": operation({
    code: 41,
    args: { value: "u32" },
    needs: ADMIN | capabilities("SYS_NICE"),
    call: "ioprio_set",
    object: ({ value }) => `class ${value >> 13}, level ${value & 0x1fff}`,
  }),

  /** sched_setaffinity(2) with processor numbers. */
  "cpu-affinity": operation({
    code: 42,
    args: { cpus: "cpus" },
    needs: NOTHING,
    call: "sched_setaffinity",
    object: ({ cpus }) => cpus.join(","),
  }),

  personality: operation({ code: 43, args: { persona: "u32" }, needs: NOTHING, object: ({ persona }) => hex(persona) }),

  /** seccomp(SECCOMP_SET_MODE_FILTER) with SECCOMP_FILTER_FLAG_*; one word per BPF instruction. */
  seccomp: operation({
    code: 44,
    args: { flags: "u32", program: "program" },
    needs: ADMIN,
    object: ({ flags, program }) => `flags ${hex(flags)}, ${program.length} instructions`,
  }),
};

function limitText(value: bigint): string {
  return value === UNLIMITED ? "unlimited" : String(value);
}
