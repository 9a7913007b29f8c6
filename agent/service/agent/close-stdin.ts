import { findProcess } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";

export const closeStdin: Rpc<"CloseStdin"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    const process = findProcess(agent, request);
    if (process.waited) throw process.gone("it was waited for");
    await process.closeInput(call.signal);
    return {};
  },
};
