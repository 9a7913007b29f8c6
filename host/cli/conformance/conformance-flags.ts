/** Flags of `guestctl conformance`. */
export interface ConformanceFlags {
  readonly start?: string;
  readonly against?: readonly string[];
  readonly guest?: true;
  readonly restart?: string;
  readonly pid?: number;
  readonly interface?: string;
  readonly rootfs?: string;
  readonly guestRootfs?: string;
  readonly config?: string;
  readonly knownFailures?: string;
  readonly levels?: string;
  readonly groups?: string;
  readonly names?: string;
  readonly protocol?: string;
  readonly require?: string;
  readonly concurrency?: string;
  readonly timeLimit?: string;
  readonly seed?: string;
  readonly list?: true;
  readonly json?: string;
  readonly junit?: string;
  readonly html?: string;
  readonly badge?: string;
}
