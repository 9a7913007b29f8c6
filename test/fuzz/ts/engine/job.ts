/** Work for one fuzzer process. */
export interface Job {
  readonly target: string;
  /** Inputs to start from, in base64. */
  readonly kept: readonly string[];
  /** Seconds to search after these inputs have run. */
  readonly seconds: number;
  readonly seed: number;
  /** File that receives the outcome. */
  readonly outcome: string;
  /** File that holds the number of executions and the current input. */
  readonly current: string;
  /** True if the outcome includes a minimised corpus. */
  readonly grow: boolean;
}

/** Result of a job. */
export interface Outcome {
  readonly executions: number;
  /** Number of inputs that the search started from. */
  readonly inputs: number;
  /** Ids of the reached branches. */
  readonly reached: readonly number[];
  /** A few inputs that reach nearly all of these branches, in base64. */
  readonly corpus?: readonly string[];
  readonly finding?: Finding | undefined;
}

/** An input that breaks the target's promise. */
export interface Finding {
  readonly error: string;
  /** The input in base64. */
  readonly input: string;
}
