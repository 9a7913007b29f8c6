/** What a pair of containers may take in a guest without KVM, on a busy machine. */
export const PAIR_MS = 60_000;

export interface SuiteOptions {
  /** How many specs fast-check makes; GUESTD_SPECS counts more. */
  readonly count: number;
  /** GUESTD_SEED counts more. */
  readonly seed: number;
  /** The machine's cgroups have controllers. */
  readonly limits: boolean;
}
