import type { Rpc } from "../rpc.ts";

/** Destroys the sandbox. The guest powers off once the answer is sent. */
export const destroySandbox: Rpc<"DestroySandbox"> = {
  afterDeath: "continue",
  async handle(agent, _request, call) {
    await agent.sandbox.destroy(call.signal);
    call.onSettled(() => agent.stop());
    return {};
  },
};
