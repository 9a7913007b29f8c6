import type { grpc } from "../../proto/gen/messages.js";
import type { SeccompRule, SeccompSpec } from "../container/seccomp/seccomp-spec.ts";
import { given } from "./given.ts";

/** Converts grpc.LinuxSeccomp to the names of the OCI runtime spec. */
export function toSeccomp(seccomp: grpc.LinuxSeccomp): SeccompSpec {
  return {
    defaultAction: seccomp.DefaultAction,
    ...(seccomp.DefaultErrnoRet === null ? {} : { defaultErrnoRet: seccomp.DefaultErrnoRet }),
    architectures: seccomp.Architectures,
    flags: seccomp.Flags,
    syscalls: seccomp.Syscalls.map(toRule),
  };
}

/** Returns the OCI names of set fields that need a listener for notifications, which is unsupported. */
export function unsupportedOfSeccomp(seccomp: grpc.LinuxSeccomp | null | undefined): string[] {
  return given({
    "linux.seccomp.listenerPath": seccomp?.ListenerPath,
    "linux.seccomp.listenerMetadata": seccomp?.ListenerMetadata,
  });
}

function toRule({ Names, Action, errnoret, Args }: grpc.LinuxSyscall): SeccompRule {
  return {
    names: Names,
    action: Action,
    ...(errnoret === null ? {} : { errnoRet: errnoret }),
    args: Args.map(({ Index, Value, ValueTwo, Op }) => ({ index: Index, value: Value, valueTwo: ValueTwo, op: Op })),
  };
}
