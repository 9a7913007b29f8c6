import type { Rpc } from "../rpc.ts";

export const getMetrics: Rpc<"GetMetrics"> = {
  afterDeath: "repeat",
  handle: async (agent) => ({ metrics: await agent.scrape() }),
};
