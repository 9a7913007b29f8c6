/** Work for one process of the fuzzer. */
export interface Job {
  readonly target: string;
  /** Inputs to begin with, base64. */
  readonly kept: readonly string[];
  /** How long to search after the inputs have run. */
  readonly seconds: number;
  readonly seed: number;
  /** File for the outcome. */
  readonly outcome: string;
  /** File that has the number of executions and the input that is being tried. */
  readonly current: string;
  /** The outcome is to have a small corpus. */
  readonly grow: boolean;
}

/** The result of a job. */
export interface Outcome {
  readonly executions: number;
  /** Inputs that the search began with. */
  readonly inputs: number;
  /** Ids of the branches that were reached. */
  readonly reached: readonly number[];
  /** Few inputs that reach nearly all of it, base64. */
  readonly corpus?: readonly string[];
  readonly finding?: Finding;
}

/** An input that breaks a promise. */
export interface Finding {
  readonly error: string;
  /** Base64. */
  readonly input: string;
}
