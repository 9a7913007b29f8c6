import type { grpc } from "../../proto/gen/messages.js";
import { uint64 } from "../../proto/uint64.ts";
import type { CapabilitySets, LinuxSpec, ProcessSpec } from "../container/spec.ts";
import { given } from "./given.ts";
import { toSeccomp } from "./oci-seccomp.ts";

/** Converts grpc.Process to the names of the OCI runtime spec. Fields that aren't set are absent. */
export function toProcess(process: grpc.Process): ProcessSpec {
  const { ConsoleSize: size, IOPriority: io, ExecCPUAffinity: affinity } = process;
  return {
    terminal: process.Terminal,
    user: toUser(process.User),
    args: process.Args,
    env: process.Env,
    cwd: process.Cwd === "" ? "/" : process.Cwd,
    rlimits: process.Rlimits.map(({ Type, Soft, Hard }) => ({ type: Type, soft: uint64(Soft), hard: uint64(Hard) })),
    noNewPrivileges: process.NoNewPrivileges,
    oomScoreAdj: process.OOMScoreAdj,
    ...(size === null || (size.Height === 0 && size.Width === 0)
      ? {}
      : { consoleSize: { height: size.Height, width: size.Width } }),
    ...(process.Capabilities === null ? {} : { capabilities: toCapabilities(process.Capabilities) }),
    ...(process.Scheduler === null ? {} : { scheduler: toScheduler(process.Scheduler) }),
    ...(io === null ? {} : { ioPriority: { class: io.Class, priority: io.Priority } }),
    ...(affinity === null ? {} : { execCPUAffinity: { initial: affinity.Initial, final: affinity.Final } }),
    ...(process.ApparmorProfile === "" ? {} : { apparmorProfile: process.ApparmorProfile }),
    ...(process.SelinuxLabel === "" ? {} : { selinuxLabel: process.SelinuxLabel }),
  };
}

/** Converts the part of grpc.Linux that concerns the process. Fields that aren't set are absent. */
export function toProcessSettings(linux: grpc.Linux): Partial<LinuxSpec> {
  const { Sysctl: sysctl, Personality: personality, MountLabel: mountLabel } = linux;
  return {
    ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
    ...(personality === null ? {} : { personality: { domain: personality.Domain, flags: personality.Flags } }),
    ...(mountLabel === "" ? {} : { mountLabel }),
    ...(linux.Seccomp === null ? {} : { seccomp: toSeccomp(linux.Seccomp) }),
  };
}

/** Returns the OCI names of unsupported fields that are set. A user name without a uid, which is for Windows, would run as root. */
export function unsupportedOfProcess({ User: user }: grpc.Process): string[] {
  return user?.UID === 0 && user.Username !== "root" ? given({ "process.user.username": user.Username }) : [];
}

/** Returns a log line for each field that is set and ignored. */
export function passedOverOfProcess({ User: user }: grpc.Process): string[] {
  if (user === null || user.Username === "") return [];
  return [`OCI spec: process.user.username is passed over, the process has the uid ${user.UID}`];
}

function toUser(user: grpc.User | null): ProcessSpec["user"] {
  const { UID = 0, GID = 0, AdditionalGids = [], Umask = null } = user ?? {};
  return { uid: UID, gid: GID, additionalGids: AdditionalGids, ...(Umask === null ? {} : { umask: Umask }) };
}

function toCapabilities(sets: grpc.LinuxCapabilities): CapabilitySets {
  return {
    bounding: sets.Bounding,
    effective: sets.Effective,
    inheritable: sets.Inheritable,
    permitted: sets.Permitted,
    ambient: sets.Ambient,
  };
}

function toScheduler(scheduler: grpc.Scheduler): NonNullable<ProcessSpec["scheduler"]> {
  return {
    policy: scheduler.Policy,
    nice: scheduler.Nice,
    priority: scheduler.Priority,
    flags: scheduler.Flags,
    runtime: scheduler.Runtime,
    deadline: scheduler.Deadline,
    period: scheduler.Period,
  };
}
