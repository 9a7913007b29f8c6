import { BEGUN } from "../dispatch.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const startContainer: Rpc<"StartContainer"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    const container = findContainer(agent, request.container_id, "internal");
    const again = call.progress === BEGUN;
    if (container.init.release !== undefined) call.note?.(BEGUN);
    await container.start(again);
    return {};
  },
};
