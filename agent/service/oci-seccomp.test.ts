import { expect, test } from "vitest";
import { grpc } from "../../proto/gen/messages.js";
import { toSeccomp, unsupportedOfSeccomp } from "./oci-seccomp.ts";

test("a decoded filter has the names of the OCI runtime spec, and an errno only if one was sent", () => {
  const bytes = grpc.LinuxSeccomp.encode({
    DefaultAction: "SCMP_ACT_ERRNO",
    DefaultErrnoRet: 0,
    Architectures: ["SCMP_ARCH_X86"],
    Flags: ["SECCOMP_FILTER_FLAG_LOG"],
    Syscalls: [
      { Names: ["a"], Action: "SCMP_ACT_ERRNO", errnoret: 0 },
      {
        Names: ["b"],
        Action: "SCMP_ACT_ALLOW",
        Args: [{ Index: 1, Value: "18446744073709551615", Op: "SCMP_CMP_EQ" }],
      },
    ],
  }).finish();
  expect(toSeccomp(grpc.LinuxSeccomp.decode(bytes))).toEqual({
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 0,
    architectures: ["SCMP_ARCH_X86"],
    flags: ["SECCOMP_FILTER_FLAG_LOG"],
    syscalls: [
      { names: ["a"], action: "SCMP_ACT_ERRNO", errnoRet: 0, args: [] },
      {
        names: ["b"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 1, value: "18446744073709551615", valueTwo: "0", op: "SCMP_CMP_EQ" }],
      },
    ],
  });
});

test("a listener is reported as unsupported", () => {
  const bytes = grpc.LinuxSeccomp.encode({ ListenerPath: "/x", ListenerMetadata: "y" }).finish();
  const names = ["linux.seccomp.listenerPath", "linux.seccomp.listenerMetadata"];
  expect(unsupportedOfSeccomp(grpc.LinuxSeccomp.decode(bytes))).toEqual(names);
  expect(unsupportedOfSeccomp(null)).toEqual([]);
});
