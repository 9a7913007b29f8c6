import type { RecordedCall } from "./call-recorder.ts";
import type { Level } from "./case.ts";

export const STATES = ["passed", "failed", "skipped", "unsupported", "disabled"] as const;
export type State = (typeof STATES)[number];

/** Outcome of one case over one protocol. */
export interface CaseResult {
  readonly name: string;
  readonly group: string;
  readonly level: Level;
  readonly source: string;
  readonly protocol: "ttrpc" | "grpc";
  readonly state: State;
  /** One line: why the case has any state but passed. */
  readonly reason?: string;
  readonly expected?: unknown;
  readonly actual?: unknown;
  /** Reason of the list of known failures for this case. */
  readonly knownFailure?: string | undefined;
  /** Duration in milliseconds. */
  readonly ms: number;
  readonly calls: readonly RecordedCall[];
  /** Calls that were made but are not in `calls`. */
  readonly droppedCalls: number;
}

/** The agent and the run's settings. */
export interface RunEnvironment {
  readonly agent: string;
  /** Namespaces and cgroups that the agent ran in. */
  readonly surroundings: string;
  readonly agentVersion: string;
  readonly suiteVersion: string;
  readonly contract: string;
  readonly protocols: readonly string[];
  readonly seed: number;
  readonly node: string;
  readonly kernel: string;
  readonly architecture: string;
  /** ISO 8601. */
  readonly begun: string;
}

export interface Run {
  readonly environment: RunEnvironment;
  /** Lowest level whose failures fail the run. */
  readonly require: Level;
  readonly results: readonly CaseResult[];
  /** Failures outside of cases, such as an agent that does not start. */
  readonly problems: readonly string[];
  readonly ms: number;
}
