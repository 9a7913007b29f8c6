import type { Rpc } from "../rpc.ts";

/** Starts the next agent once the answer is sent, or can't be sent any more. */
export const upgrade: Rpc<"Upgrade"> = {
  afterDeath: "fail",
  async handle(agent, { path, sha256 }, call) {
    const { generation } = agent.running();
    await agent.prepareUpgrade({ path, sha256 });
    call.onSettled(() => agent.restart());
    return { generation };
  },
};
