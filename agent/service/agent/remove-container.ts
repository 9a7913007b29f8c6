import { MAX_TIMER_MS } from "../../../lib/max-timer.ts";
import { AgentError } from "../../kernel/error.ts";
import { BEGUN } from "../dispatch.ts";
import type { Rpc } from "../rpc.ts";

/** Removes within `timeout` seconds; 0 waits without a time limit. After a time-out the container can still be removed. */
export const removeContainer: Rpc<"RemoveContainer"> = {
  afterDeath: "continue",
  async handle({ sandbox }, request, call) {
    const { container_id: id, timeout } = request;
    const exists = sandbox.find(id) !== undefined;
    if (call.progress === BEGUN && !exists) return {}; // this agent removed its remains at its start
    if (exists) call.note?.(BEGUN);
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
