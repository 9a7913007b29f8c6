/** One operation of a launch plan: a system call, or its equivalent. */
export interface PlanStep {
  /** Such as "mount on". */
  readonly operation: string;
  /** Object of the operation; never an environment value. */
  readonly object: string;
  /** Field of the OCI spec that it comes from. */
  readonly reason: string;
  /** How long it took, µs, if it was measured; 65,535 also stands for longer. */
  readonly micros?: number | undefined;
}
