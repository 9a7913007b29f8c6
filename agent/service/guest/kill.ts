import type { Rpc } from "../rpc.ts";

/** Open calls and running launches are cut off wherever they are, as by any death of the agent. */
export const kill: Rpc<"Kill"> = async (agent, _request, call) => {
  const { generation } = agent.running();
  call.onSettled(() => agent.restart());
  return { generation };
};
