import type { Rpc } from "../rpc.ts";

export const getMetrics: Rpc<"GetMetrics"> = async (agent) => ({ metrics: await agent.scrape() });
