import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const pauseContainer: Rpc<"PauseContainer"> = async (agent, request, call) => {
  await findContainer(agent, request.container_id, "invalid-argument").pause(call.signal);
  return {};
};
