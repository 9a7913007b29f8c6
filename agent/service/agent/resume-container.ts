import { BEGUN } from "../dispatch.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const resumeContainer: Rpc<"ResumeContainer"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    using _inside = agent.warmStart.gate.enter("resume container", call.progress);
    const container = findContainer(agent, request.container_id, "invalid-argument");
    const isDone = !container.paused;
    if (call.progress === BEGUN && isDone) return {};
    if (!isDone) call.note?.(BEGUN);
    await container.resume(call.signal);
    return {};
  },
};
