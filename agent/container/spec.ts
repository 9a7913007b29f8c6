import type { ResourcesSpec } from "./cgroup/resources-spec.ts";
import type { HooksSpec } from "./hooks/hooks.ts";
import type { SeccompSpec } from "./seccomp/seccomp-spec.ts";

/** The part of the OCI runtime spec that the compiler uses, under the names of config.json; absent lists are empty. */
export interface Spec {
  readonly process: ProcessSpec;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly domainname: string;
  readonly mounts: readonly MountSpec[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: LinuxSpec;
  readonly hooks?: HooksSpec | undefined;
  /** Names of given fields that are unsupported; check-spec refuses them by name. */
  readonly unsupported: readonly string[];
  /** Origins of parts of the spec that the host did not send, by field, such as "mounts[7]". */
  readonly origins?: Readonly<Record<string, string>>;
}

export interface ProcessSpec {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[];
    /** Default: 022, and for an exec the container's. */
    readonly umask?: number;
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** Default: none, and for an exec the container's. */
  readonly capabilities?: CapabilitySets;
  readonly rlimits: readonly {
    readonly type: string;
    readonly soft: bigint;
    readonly hard: bigint;
  }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
  // Default of the rest: the kernel's, and for an exec the container's.
  readonly scheduler?: SchedulerSpec;
  readonly ioPriority?: { readonly class: string; readonly priority: number };
  /** Processor lists such as "0-3,7"; an empty list is not set. Only for execs. */
  readonly execCPUAffinity?: { readonly initial: string; readonly final: string };
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
}

/** Scheduler settings. `runtime`, `deadline` and `period` are in nanoseconds, for SCHED_DEADLINE. */
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
  /** Mappings of an idmapped mount. Default: those of the container's user namespace. */
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

/** Maps `size` ids from `containerID` on, inside the namespace, to those from `hostID` on outside. */
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
  /** Empty for a new namespace. */
  readonly path: string;
}

/** A device node to create in the container. */
export interface DeviceSpec {
  readonly path: string;
  /** One of c, b, u (the same as c) and p. */
  readonly type: string;
  /** Ignored for p. */
  readonly major: number;
  readonly minor: number;
  /** Permission bits, to which no umask is applied. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface LinuxSpec {
  readonly namespaces: readonly NamespaceSpec[];
  readonly devices: readonly DeviceSpec[];
  /** Mappings of a new user namespace. */
  readonly uidMappings?: readonly IdMapping[] | undefined;
  readonly gidMappings?: readonly IdMapping[] | undefined;
  /** Offsets of a new time namespace, by clock: monotonic, boottime. */
  readonly timeOffsets?: Readonly<Record<string, TimeOffset>> | undefined;
  /** One of slave, private, shared and unbindable, or one of them with the prefix `r`. */
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
