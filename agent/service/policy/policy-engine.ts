/** The answer of a policy to one request. */
export interface Verdict {
  readonly allowed: boolean;
  /** What the policy printed, or which rule said no; empty when it says nothing. */
  readonly reason: string;
}

/** A policy that was read. */
export interface PolicyEngine {
  /**
   * `request` is the name of the request's message, "ExecProcessRequest". Throws an AgentError (internal) when the
   * policy gives no answer.
   */
  ask(request: string, input: () => string): Verdict;
}

/** What a policy has noted for itself, as JSON; it changes with allowed requests. */
export interface PolicyData {
  /** Of the agent before; undefined at first. */
  readonly kept: string | undefined;
  keep(data: string): void;
}

/** Reads the text of a policy. Throws an AgentError (invalid-argument) in one line. */
export type PolicyReader = (text: string, data: PolicyData) => PolicyEngine;
