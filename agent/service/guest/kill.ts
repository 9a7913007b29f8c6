import type { Rpc } from "../rpc.ts";

/** Ends the agent wherever it is, as any death does: the next one goes on with the open calls of ttRPC connections. */
export const kill: Rpc<"Kill"> = {
  afterDeath: "fail",
  async handle(agent, _request, call) {
    const { generation } = agent.running();
    call.onSettled(() => agent.restart());
    return { generation };
  },
};
