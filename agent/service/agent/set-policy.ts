import type { Rpc } from "../rpc.ts";

/** Replaces the policy, if the current one allows this call. */
export const setPolicy: Rpc<"SetPolicy"> = {
  afterDeath: "continue",
  async handle(agent, { policy }) {
    await agent.policy.set(policy);
    return {};
  },
};
