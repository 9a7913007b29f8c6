import { BEGUN } from "../dispatch.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

/** Its program runs; poststart hooks follow. */
const EXECUTED = BEGUN + 1;

export const startContainer: Rpc<"StartContainer"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    const container = findContainer(agent, request.container_id, "internal");
    if (call.progress === EXECUTED) {
      await container.afterStart();
      return {};
    }
    const again = call.progress === BEGUN;
    if (container.init.release !== undefined) call.note?.(BEGUN);
    await container.start(again, () => call.note?.(EXECUTED));
    return {};
  },
};
