import type { Rpc } from "../rpc.ts";

/** The policy at hand has to allow it, as any call. */
export const setPolicy: Rpc<"SetPolicy"> = async (agent, { policy }) => {
  agent.policy.set(policy);
  return {};
};
