/** A policy's verdict on one request. */
export interface Verdict {
  readonly allowed: boolean;
  /** The policy's printed output, or the rule that denied the request; may be empty. */
  readonly reason: string;
}

/** A loaded policy. */
export interface PolicyEngine {
  /**
   * Evaluates the rule of a request; `request` is the name of its message, "ExecProcessRequest". Throws an AgentError (internal) if the
   * policy yields no verdict.
   */
  ask(request: string, input: () => string): Verdict;
}

/** A policy's own state, as JSON. Allowed requests may change it. */
export interface PolicyData {
  /** State kept by an earlier agent; undefined at first. */
  readonly kept: string | undefined;
  keep(data: string): void;
}

/** Reads the text of a policy. Throws a one-line AgentError (invalid-argument) for a bad one. */
export type PolicyReader = (text: string, data: PolicyData) => PolicyEngine;
