import type { AgentClient } from "../../client/agent-client.ts";

type Call = (request: Record<string, unknown>, options?: { readonly signal?: AbortSignal }) => Promise<unknown>;

/** An agent whose calls are functions of a test; one that is not given fails the test. */
export function scriptedAgent(calls: Readonly<Record<string, Call>>): AgentClient {
  const agent = new Proxy(calls, {
    get(target, name) {
      const call = target[String(name)];
      if (call === undefined) throw new Error(`the test has no ${String(name)}`);
      return call;
    },
  });
  return { agent } as unknown as AgentClient;
}

/** A call that gives one answer after the other, then the last again and again. */
export function answers<T>(...all: readonly T[]): () => Promise<T> {
  let at = 0;
  return async () => {
    const answer = all[Math.min(at, all.length - 1)];
    at += 1;
    if (answer === undefined) throw new Error("no answer is left");
    return answer;
  };
}
