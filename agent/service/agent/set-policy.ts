import type { Rpc } from "../rpc.ts";

/** The policy at hand has to allow it, as any call. */
export const setPolicy: Rpc<"SetPolicy"> = {
  afterDeath: "continue",
  async handle(agent, { policy }) {
    agent.policy.set(policy);
    return {};
  },
};
