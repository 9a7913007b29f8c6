import type { AgentClient } from "../../../client/agent-client.ts";

type Call = (request: Record<string, unknown>, options?: { readonly signal?: AbortSignal }) => Promise<unknown>;

/** Returns an agent whose calls are functions of the test; any other call fails the test. */
export function scriptedAgent(calls: Readonly<Record<string, Call>>): AgentClient {
  const agent = new Proxy(calls, {
    get(target, name) {
      const call = target[String(name)];
      if (call === undefined) throw new Error(`the test does not define ${String(name)}`);
      return call;
    },
  });
  return { agent } as unknown as AgentClient;
}

/** Returns a call that gives these answers in order and repeats the last one. */
export function answers<T>(...all: readonly T[]): () => Promise<T> {
  let at = 0;
  return async () => {
    const answer = all[Math.min(at, all.length - 1)];
    at += 1;
    if (answer === undefined) throw new Error("no answers given");
    return answer;
  };
}
