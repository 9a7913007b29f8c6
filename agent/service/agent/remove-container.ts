import { AgentError } from "../../kernel/error.ts";
import { BEGUN } from "../dispatch.ts";
import type { Rpc } from "../rpc.ts";

/** Longest delay of a timer, 24.8 days; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** `timeout` in seconds; 0 waits without limit. A container that was not removed in time can be removed later. */
export const removeContainer: Rpc<"RemoveContainer"> = {
  afterDeath: "continue",
  async handle({ sandbox }, request, call) {
    const { container_id: id, timeout } = request;
    const isThere = sandbox.find(id) !== undefined;
    if (call.progress === BEGUN && !isThere) return {}; // the rest of it was taken away when this agent began
    if (isThere) call.note?.(BEGUN);
    const limit = timeout === 0 ? undefined : AbortSignal.timeout(Math.min(timeout * 1000, MAX_TIMER_MS));
    try {
      await sandbox.removeContainer(id, limit === undefined ? call.signal : AbortSignal.any([call.signal, limit]));
    } catch (error) {
      if (limit === undefined || error !== limit.reason) throw error;
      throw new AgentError("internal", `remove container ${id}: ETIME (not ended within ${timeout} s)`);
    }
    return {};
  },
};
