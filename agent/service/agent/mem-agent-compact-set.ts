import type { Rpc } from "../rpc.ts";

export const memAgentCompactSet: Rpc<"MemAgentCompactSet"> = {
  afterDeath: "repeat",
  async handle(agent, request) {
    await agent.memAgent.setCompact({
      disabled: request.disabled,
      periodSecs: request.period_secs,
      periodPsiPercentLimit: request.period_psi_percent_limit,
      compactPsiPercentLimit: request.compact_psi_percent_limit,
      compactSecMax: request.compact_sec_max,
      compactOrder: request.compact_order,
      compactThreshold: request.compact_threshold,
      compactForceTimes: request.compact_force_times,
    });
    return {};
  },
};
