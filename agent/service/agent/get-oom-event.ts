import type { Rpc } from "../rpc.ts";

/** Waits for the next event without a time limit. An event whose answer did not reach the host goes to the next caller. */
export const getOOMEvent: Rpc<"GetOOMEvent"> = {
  afterDeath: "repeat",
  async handle({ sandbox }, _request, call) {
    const container_id = await sandbox.oomEvents.next(call.signal);
    call.onSettled((written) => {
      if (!written) sandbox.oomEvents.giveBack(container_id);
    });
    return { container_id };
  },
};
