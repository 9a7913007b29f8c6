import type { grpc } from "../../proto/gen/messages.js";
import { uint64 } from "../../proto/uint64.ts";
import type { CapabilitySets, ProcessSpec, ResourcesSpec, Spec } from "../container/spec.ts";
import { AgentError } from "../kernel/error.ts";
import { toDevice } from "./oci-devices.ts";

/** grpc.Spec with the names of the OCI runtime spec. What the launcher doesn't carry yet is named in `unsupported`. */
export function toSpec(message: grpc.Spec | null): Spec {
  if (message === null) throw new AgentError("invalid-argument", "create container: the request has no OCI spec");
  const { Process: process, Root: root, Linux: linux } = message;
  if (process === null) throw new AgentError("invalid-argument", "create container: the OCI spec has no process");
  if (root === null) throw new AgentError("invalid-argument", "create container: the OCI spec has no root");
  return {
    process: toProcess(process),
    root: { path: root.Path, readonly: root.Readonly },
    hostname: message.Hostname,
    domainname: "",
    mounts: message.Mounts,
    annotations: message.Annotations,
    linux: {
      namespaces: (linux?.Namespaces ?? []).map(({ Type, Path }) => ({ type: Type, path: Path })),
      devices: (linux?.Devices ?? []).map(toDevice),
      rootfsPropagation: linux?.RootfsPropagation.endsWith("private") ? "private" : "slave",
      maskedPaths: linux?.MaskedPaths ?? [],
      readonlyPaths: linux?.ReadonlyPaths ?? [],
      cgroupsPath: linux?.CgroupsPath ?? "",
      resources: toResources(linux?.Resources ?? null),
    },
    unsupported: [...unsupportedOfProcess(process), ...unsupportedOfSpec(message)],
  };
}

export function toProcess(process: grpc.Process): ProcessSpec {
  const { User: user, ConsoleSize: size, Capabilities: sets } = process;
  const capabilities: CapabilitySets | undefined =
    sets === null
      ? undefined
      : {
          bounding: sets.Bounding,
          effective: sets.Effective,
          inheritable: sets.Inheritable,
          permitted: sets.Permitted,
          ambient: sets.Ambient,
        };
  return {
    terminal: process.Terminal,
    user: { uid: user?.UID ?? 0, gid: user?.GID ?? 0, additionalGids: user?.AdditionalGids ?? [] },
    args: process.Args,
    env: process.Env,
    cwd: process.Cwd === "" ? "/" : process.Cwd,
    rlimits: process.Rlimits.map(({ Type, Soft, Hard }) => ({ type: Type, soft: uint64(Soft), hard: uint64(Hard) })),
    noNewPrivileges: process.NoNewPrivileges,
    oomScoreAdj: process.OOMScoreAdj,
    ...(size === null || size.Height === 0 ? {} : { consoleSize: { height: size.Height, width: size.Width } }),
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

/** Fields of a process that nothing carries yet, by their OCI names. */
export function unsupportedOfProcess(process: grpc.Process): string[] {
  return given({
    "process.apparmorProfile": process.ApparmorProfile,
    "process.selinuxLabel": process.SelinuxLabel,
    "process.user.username": process.User?.Username,
  });
}

function unsupportedOfSpec(message: grpc.Spec): string[] {
  const { Hooks: hooks, Linux: linux } = message;
  const resources = linux?.Resources;
  const propagation = linux?.RootfsPropagation ?? "";
  return given({
    "hooks.prestart": hooks?.Prestart,
    "hooks.createRuntime": hooks?.CreateRuntime,
    "hooks.createContainer": hooks?.CreateContainer,
    "hooks.startContainer": hooks?.StartContainer,
    "hooks.poststart": hooks?.Poststart,
    "hooks.poststop": hooks?.Poststop,
    solaris: message.Solaris,
    windows: message.Windows,
    "linux.uidMappings": linux?.UIDMappings,
    "linux.gidMappings": linux?.GIDMappings,
    "linux.sysctl": Object.keys(linux?.Sysctl ?? {}),
    "linux.seccomp": linux?.Seccomp,
    [`linux.rootfsPropagation "${propagation}"`]: /^(|r?slave|r?private)$/.test(propagation) ? "" : propagation,
    "linux.mountLabel": linux?.MountLabel,
    "linux.intelRdt": linux?.IntelRdt,
    "linux.resources.devices": resources?.Devices,
    "linux.resources.blockIO": resources?.BlockIO,
    "linux.resources.hugepageLimits": resources?.HugepageLimits,
    "linux.resources.network": resources?.Network,
    "linux.resources.memory.kernel": resources?.Memory?.Kernel,
    "linux.resources.memory.kernelTCP": resources?.Memory?.KernelTCP,
    "linux.resources.memory.swappiness": resources?.Memory?.Swappiness,
    "linux.resources.memory.disableOOMKiller": resources?.Memory?.DisableOOMKiller,
    "linux.resources.cpu.realtimeRuntime": resources?.CPU?.RealtimeRuntime,
    "linux.resources.cpu.realtimePeriod": resources?.CPU?.RealtimePeriod,
  });
}

/** Names whose value is more than protobuf's "not given". */
function given(fields: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(fields)
    .filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Boolean(value)))
    .map(([name]) => name);
}

function toResources(resources: grpc.LinuxResources | null): ResourcesSpec {
  const { Memory: memory = null, CPU: cpu = null, Pids: pids = null } = resources ?? {};
  return {
    ...(memory === null ? {} : { memory: { limit: memory.Limit, reservation: memory.Reservation, swap: memory.Swap } }),
    ...(cpu === null
      ? {}
      : { cpu: { shares: cpu.Shares, quota: cpu.Quota, period: cpu.Period, cpus: cpu.Cpus, mems: cpu.Mems } }),
    ...(pids === null ? {} : { pids: { limit: pids.Limit } }),
  };
}
