/**
 * linux.resources of the OCI runtime spec. What is absent, 0, or empty is left as the kernel has it, unless said
 * otherwise. Bytes, microseconds, counts; -1 is unlimited.
 */
export interface ResourcesSpec {
  readonly memory?: MemorySpec;
  readonly cpu?: CpuSpec;
  readonly pids?: { readonly limit?: number };
  readonly blockIO?: BlockIoSpec;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  /** By the device's name. */
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>;
  /** By the name of the cgroup file. */
  readonly unified?: Readonly<Record<string, string>>;
  readonly devices?: readonly DeviceCgroupSpec[];
}

export interface MemorySpec {
  readonly limit?: number;
  readonly reservation?: number;
  /** Memory and swap together. */
  readonly swap?: number;
  /** An update to less than what is in use is refused, rather than left to reclaim and the OOM killer. */
  readonly checkBeforeUpdate?: boolean;
}

export interface CpuSpec {
  /** 2 to 262144. */
  readonly shares?: number;
  readonly quota?: number;
  readonly period?: number;
  /** 0 counts. */
  readonly burst?: number;
  /** 0 counts. */
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

/** Bytes or operations in a second; 0 is no limit. */
export interface ThrottleSpec {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

/** A rule of the device filter. A number that is absent stands for all. */
export interface DeviceCgroupSpec {
  readonly allow: boolean;
  /** "a", "b" or "c". */
  readonly type: string;
  readonly major?: number;
  readonly minor?: number;
  /** Letters of "rwm". */
  readonly access: string;
}
