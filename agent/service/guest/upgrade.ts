import type { Rpc } from "../rpc.ts";

/** The next agent is started once the answer is on its way, or is known to reach nobody. */
export const upgrade: Rpc<"Upgrade"> = {
  afterDeath: "fail",
  async handle(agent, { path, sha256 }, call) {
    const { generation } = agent.running();
    await agent.prepareUpgrade({ path, sha256 });
    call.onSettled(() => agent.restart());
    return { generation };
  },
};
