import type { ResourcesSpec } from "./cgroup/resources-spec.ts";
import type { HooksSpec } from "./hooks/hooks.ts";
import type { SeccompSpec } from "./seccomp/seccomp-spec.ts";

/** The part of the OCI runtime spec (names of its config.json) that reaches the compiler; absent lists are empty. */
export interface Spec {
  readonly process: ProcessSpec;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly domainname: string;
  readonly mounts: readonly MountSpec[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: LinuxSpec;
  /** Absent: none. */
  readonly hooks?: HooksSpec;
  /** Names of fields that were given and that nothing here carries; check-spec refuses them by name. */
  readonly unsupported: readonly string[];
  /** Who put something into the spec that the host did not, by its field, as "mounts[7]". */
  readonly origins?: Readonly<Record<string, string>>;
}

export interface ProcessSpec {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[];
    /** Absent: 022, or what the container has. */
    readonly umask?: number;
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** Absent: what the container has; for its first process none. */
  readonly capabilities?: CapabilitySets;
  readonly rlimits: readonly {
    readonly type: string;
    readonly soft: bigint;
    readonly hard: bigint;
  }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
  // Absent: what the kernel gives, or for an exec what the container has.
  readonly scheduler?: SchedulerSpec;
  readonly ioPriority?: { readonly class: string; readonly priority: number };
  /** Lists of processors, "0-3,7"; empty is not given. Not for the first process. */
  readonly execCPUAffinity?: { readonly initial: string; readonly final: string };
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
}

/** Times in nanoseconds, for SCHED_DEADLINE. */
export interface SchedulerSpec {
  readonly policy: string;
  readonly nice: number;
  readonly priority: number;
  readonly flags: readonly string[];
  readonly runtime: number;
  readonly deadline: number;
  readonly period: number;
}

export interface CapabilitySets {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly inheritable: readonly string[];
  readonly permitted: readonly string[];
  readonly ambient: readonly string[];
}

export interface MountSpec {
  readonly destination: string;
  readonly source: string;
  readonly type: string;
  readonly options: readonly string[];
  /** Of an idmapped mount; absent: what the container's user namespace has. */
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

/** `size` ids from `containerID` on, as they are inside, are those from `hostID` on outside. */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface TimeOffset {
  readonly secs: number;
  readonly nanosecs: number;
}

export interface NamespaceSpec {
  readonly type: string;
  /** Empty: a new one. */
  readonly path: string;
}

/** A node to be made in the container. */
export interface DeviceSpec {
  readonly path: string;
  /** c, b, u (the same as c) or p. */
  readonly type: string;
  /** Not looked at for p. */
  readonly major: number;
  readonly minor: number;
  /** Permission bits, exact: no umask. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface LinuxSpec {
  readonly namespaces: readonly NamespaceSpec[];
  readonly devices: readonly DeviceSpec[];
  /** Of a new user namespace. */
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  /** Of a new time namespace, by clock: monotonic, boottime. */
  readonly timeOffsets?: Readonly<Record<string, TimeOffset>>;
  /** slave, private, shared, unbindable, or one of them with an `r` before it. */
  readonly rootfsPropagation: string;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly cgroupsPath: string;
  readonly resources: ResourcesSpec;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly personality?: { readonly domain: string; readonly flags: readonly string[] };
  readonly mountLabel?: string;
  readonly seccomp?: SeccompSpec;
}
