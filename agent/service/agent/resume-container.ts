import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const resumeContainer: Rpc<"ResumeContainer"> = async (agent, request, call) => {
  await findContainer(agent, request.container_id, "invalid-argument").resume(call.signal);
  return {};
};
