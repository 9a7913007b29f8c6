/** linux.seccomp of the OCI runtime spec. */
export interface SeccompSpec {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** The native architecture applies even if it is not listed. */
  readonly architectures: readonly string[];
  readonly flags: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number | undefined;
  readonly args: readonly {
    readonly index: number;
    // 64-bit numbers as decimal text, which JSON preserves.
    readonly value: string;
    readonly valueTwo: string;
    readonly op: string;
  }[];
}
