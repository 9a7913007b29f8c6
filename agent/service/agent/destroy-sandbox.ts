import type { Rpc } from "../rpc.ts";

/** The guest powers off once the answer is on its way. */
export const destroySandbox: Rpc<"DestroySandbox"> = async (agent, _request, call) => {
  await agent.sandbox.destroy(call.signal);
  call.onSettled(() => agent.stop());
  return {};
};
