import type { Rpc } from "../rpc.ts";

/** Kills the agent at any point of its work, like any crash; the next one continues the open calls of ttRPC connections. */
export const kill: Rpc<"Kill"> = {
  afterDeath: "fail",
  async handle(agent, _request, call) {
    const { generation } = agent.running();
    call.onSettled(() => agent.restart());
    return { generation };
  },
};
