import { AgentError } from "../../kernel/error.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

const MAX_SIGNAL = 64;

export const signalProcess: Rpc<"SignalProcess"> = async (agent, request) => {
  const container = findContainer(agent, request.container_id, "invalid-argument");
  if (request.signal < 0 || request.signal > MAX_SIGNAL) {
    throw new AgentError("invalid-argument", `signal process: ${request.signal} is no signal (0 to ${MAX_SIGNAL})`);
  }
  await container.signal(request.exec_id, request.signal);
  return {};
};
