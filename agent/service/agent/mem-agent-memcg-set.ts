import type { Rpc } from "../rpc.ts";

export const memAgentMemcgSet: Rpc<"MemAgentMemcgSet"> = {
  afterDeath: "repeat",
  async handle(agent, request) {
    await agent.memAgent.setMemcg({
      disabled: request.disabled,
      swap: request.swap,
      swappinessMax: request.swappiness_max,
      periodSecs: request.period_secs,
      periodPsiPercentLimit: request.period_psi_percent_limit,
      evictionPsiPercentLimit: request.eviction_psi_percent_limit,
      evictionRunAgingCountMin: request.eviction_run_aging_count_min,
    });
    return {};
  },
};
