/**
 * linux.resources of the OCI runtime spec. An absent, 0 or empty field leaves the kernel's value unchanged, unless
 * stated otherwise. Values are bytes, microseconds or counts; -1 means unlimited.
 */
export interface ResourcesSpec {
  readonly memory?: MemorySpec | undefined;
  readonly cpu?: CpuSpec | undefined;
  readonly pids?: { readonly limit?: number | undefined };
  readonly blockIO?: BlockIoSpec;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  /** By device name. */
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>;
  /** By cgroup file name. */
  readonly unified?: Readonly<Record<string, string>>;
  readonly devices?: readonly DeviceCgroupSpec[] | undefined;
}

export interface MemorySpec {
  readonly limit?: number;
  readonly reservation?: number;
  /** Memory and swap together. */
  readonly swap?: number;
  /** Refuses an update to a limit below the current usage, instead of leaving it to reclaim and the OOM killer. */
  readonly checkBeforeUpdate?: boolean;
}

export interface CpuSpec {
  /** 2 to 262144. */
  readonly shares?: number;
  readonly quota?: number;
  readonly period?: number;
  /** 0 is a value. */
  readonly burst?: number;
  /** 0 is a value. */
  readonly idle?: number;
  readonly cpus?: string;
  readonly mems?: string;
}

export interface BlockIoSpec {
  /** 10 to 1000. */
  readonly weight?: number;
  readonly weightDevice?: readonly { readonly major: number; readonly minor: number; readonly weight: number }[];
  readonly throttleReadBpsDevice?: readonly ThrottleSpec[];
  readonly throttleWriteBpsDevice?: readonly ThrottleSpec[];
  readonly throttleReadIOPSDevice?: readonly ThrottleSpec[];
  readonly throttleWriteIOPSDevice?: readonly ThrottleSpec[];
}

/** Throttle in bytes or operations per second; 0 means no limit. */
export interface ThrottleSpec {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

/** One device filter rule. An absent number matches all. */
export interface DeviceCgroupSpec {
  readonly allow: boolean;
  /** "a", "b" or "c". */
  readonly type: string;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  /** Letters of "rwm". */
  readonly access: string;
}
