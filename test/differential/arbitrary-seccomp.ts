import fc from "fast-check";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { seldom, subset } from "./arbitrary-parts.ts";

/** Calls that the probe makes to show their results, and doesn't need itself. */
const CALLS =
  "chroot mount umount2 pivot_root sethostname socket setns unshare bpf keyctl add_key perf_event_open userfaultfd ptrace mkdirat swapon acct syslog getpriority sync_file_range getegid getitimer sysinfo times sched_yield getrandom personality no_such_call".split(
    " ",
  );
const COMPARISONS = "EQ NE LT LE GE GT".split(" ").map((name) => `SCMP_CMP_${name}`);

const argument = fc.oneof(
  fc.record({
    Index: fc.nat({ max: 1 }),
    Value: fc.constantFrom("0", "1", "2", "5", "40", "1099511627781", "18446744073709551615"),
    Op: fc.constantFrom(...COMPARISONS),
  }),
  fc.record({
    Index: fc.nat({ max: 1 }),
    Value: fc.constantFrom("1", "7", "4294967295"),
    ValueTwo: fc.constantFrom("0", "1", "5"),
    Op: fc.constant("SCMP_CMP_MASKED_EQ"),
  }),
);

const action = fc.oneof(
  fc.record(
    { Action: fc.constant("SCMP_ACT_ERRNO"), errnoret: fc.constantFrom(1, 2, 38, 95) },
    { requiredKeys: ["Action"] },
  ),
  fc.constantFrom(
    ...["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "LOG"].map((name) => ({ Action: `SCMP_ACT_${name}` })),
    { Action: "SCMP_ACT_TRACE", errnoret: 5 },
  ),
);

const rule: fc.Arbitrary<Init<grpc.LinuxSyscall>> = fc
  .record({
    Names: fc.subarray(CALLS, { minLength: 1, maxLength: 5 }),
    action,
    Args: seldom(fc.array(argument, { minLength: 1, maxLength: 2 })),
  })
  .map(({ Names, action: its, Args }) => ({ Names, ...its, Args }));

const ARCHITECTURES = [[], ["X86_64"], ["X86_64", "X86", "X32"]].map((names) =>
  names.map((name) => `SCMP_ARCH_${name}`),
);

export const arbitrarySeccomp: fc.Arbitrary<Init<grpc.LinuxSeccomp>> = fc.record({
  DefaultAction: fc.constantFrom("SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG"),
  Architectures: fc.constantFrom(...ARCHITECTURES),
  Flags: subset(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
  Syscalls: fc.array(rule, { minLength: 1, maxLength: 4 }),
});
