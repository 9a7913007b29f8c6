import type { Rpc } from "../rpc.ts";

/** Waits for the next event without limit; one that the host did not get is given to the next asker. */
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
