import { findProcess } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const closeStdin: Rpc<"CloseStdin"> = async (agent, request, call) => {
  await findProcess(agent, request).closeInput(call.signal);
  return {};
};
