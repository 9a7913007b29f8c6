import { SIGKILL } from "../../kernel/constants.ts";
import { AgentError } from "../../kernel/error.ts";
import { BEGUN } from "../dispatch.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

const MAX_SIGNAL = 64;

export const signalProcess: Rpc<"SignalProcess"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    const container = findContainer(agent, request.container_id, "invalid-argument");
    if (request.signal < 0 || request.signal > MAX_SIGNAL) {
      throw new AgentError("invalid-argument", `signal process: ${request.signal} is no signal (0 to ${MAX_SIGNAL})`);
    }
    // The last agent may have sent it already. Only SIGKILL can be sent twice without a difference.
    if (call.progress === BEGUN && request.signal !== SIGKILL) return {};
    await container.signal(request.exec_id, request.signal, () => call.note?.(BEGUN));
    return {};
  },
};
