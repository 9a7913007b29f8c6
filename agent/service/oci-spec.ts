import type { grpc } from "../../proto/gen/messages.js";
import { uint64 } from "../../proto/uint64.ts";
import type { CapabilitySets, ProcessSpec, Spec } from "../container/spec.ts";
import { AgentError } from "../kernel/error.ts";
import { given } from "./given.ts";
import { toDevice } from "./oci-devices.ts";
import { toResources, unsupportedOfResources } from "./oci-resources.ts";

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
      resources: toResources(linux?.Resources),
    },
    unsupported: [
      ...unsupportedOfProcess(process),
      ...unsupportedOfSpec(message),
      ...unsupportedOfResources(linux?.Resources),
    ],
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
  });
}
