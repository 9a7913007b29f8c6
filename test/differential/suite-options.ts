/** Time limit for a pair of containers in a guest without KVM, on a busy machine. */
export const PAIR_MS = 60_000;

export interface SuiteOptions {
  /** Number of random specs; GUESTD_SPECS overrides it. */
  readonly count: number;
  /** Seed of the random specs; GUESTD_SEED overrides it. */
  readonly seed: number;
  /** True if the machine's cgroups have controllers. */
  readonly limits: boolean;
}
