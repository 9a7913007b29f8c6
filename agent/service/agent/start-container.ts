import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const startContainer: Rpc<"StartContainer"> = async (agent, request) => {
  await findContainer(agent, request.container_id, "internal").start();
  return {};
};
