import type { Rpc } from "../rpc.ts";

/** The guest powers off once the answer is on its way. */
export const destroySandbox: Rpc<"DestroySandbox"> = {
  afterDeath: "continue",
  async handle(agent, _request, call) {
    await agent.sandbox.destroy(call.signal);
    call.onSettled(() => agent.stop());
    return {};
  },
};
