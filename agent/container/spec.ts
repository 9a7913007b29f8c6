import type { ResourcesSpec } from "./resources-spec.ts";

/** The part of the OCI runtime spec (names of its config.json) that reaches the compiler; absent lists are empty. */
export interface Spec {
  readonly process: ProcessSpec;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly domainname: string;
  readonly mounts: readonly MountSpec[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: LinuxSpec;
  /** Names of fields that were given and that nothing here carries; check-spec refuses them by name. */
  readonly unsupported: readonly string[];
}

export interface ProcessSpec {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[];
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** Absent: what the container has. */
  readonly capabilities?: CapabilitySets;
  readonly rlimits: readonly {
    readonly type: string;
    readonly soft: bigint;
    readonly hard: bigint;
  }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
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
  /** What mounts of the guest do in the container, all below its root: come too, or stay away. */
  readonly rootfsPropagation: "slave" | "private";
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly cgroupsPath: string;
  readonly resources: ResourcesSpec;
}
