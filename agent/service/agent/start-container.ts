import type { Container } from "../../container/container.ts";
import { BEGUN } from "../dispatch.ts";
import { findContainer } from "../find-container.ts";
import type { Agent, Rpc } from "../rpc.ts";

/** Progress of a call whose program runs, with poststart hooks still to run. */
const EXECUTED = BEGUN + 1;

export const startContainer: Rpc<"StartContainer"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    using _inside = agent.warmStart.gate.enter("start container", call.progress);
    const container = findContainer(agent, request.container_id, "internal");
    if (call.progress === EXECUTED) {
      await container.afterStart();
      return {};
    }
    const again = call.progress === BEGUN;
    if (container.init.release !== undefined) {
      call.note?.(BEGUN);
      beginLog(agent, container);
    }
    await container.start(again, () => call.note?.(EXECUTED));
    return {};
  },
};

/** Begins the container's log. A container without a log starts all the same. */
function beginLog(agent: Agent, container: Container): void {
  try {
    agent.beginLog(container);
  } catch (error) {
    agent.warn(`start container ${container.id}: no log is kept: ${(error as Error).message}`);
  }
}
