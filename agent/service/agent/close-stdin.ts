import { findProcess } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const closeStdin: Rpc<"CloseStdin"> = async (agent, request, call) => {
  const process = findProcess(agent, request);
  if (process.waited) throw process.gone("it was waited for");
  await process.closeInput(call.signal);
  return {};
};
