/** linux.seccomp of the OCI runtime spec. */
export interface SeccompSpec {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** The native one counts, listed or not. */
  readonly architectures: readonly string[];
  readonly flags: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args: readonly {
    readonly index: number;
    // 64 bits, as decimal text, which JSON keeps.
    readonly value: string;
    readonly valueTwo: string;
    readonly op: string;
  }[];
}
