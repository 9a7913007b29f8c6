import { AgentError } from "../../kernel/error.ts";
import { findContainer } from "../find-container.ts";
import type { Rpc } from "../rpc.ts";
import { streamBytes } from "../stream-bytes.ts";

/** Writes to stdin; empty data closes it (runtime-rs sends that instead of CloseStdin). Any unknown id is INTERNAL by contract. */
export const writeStdin: Rpc<"WriteStdin"> = {
  afterDeath: "continue",
  async handle(agent, request, call) {
    try {
      const process = findContainer(agent, request.container_id, "internal").find(request.exec_id);
      if (request.data.length === 0) await process.closeInput(call.signal);
      else await process.input.write(request.data, call.signal, call.progressMemory);
    } catch (error) {
      if (error instanceof AgentError && error.kind === "not-found") {
        throw new AgentError("internal", `write stdin: ${error.message}`, { cause: error });
      }
      throw error;
    }
    streamBytes.stdin += request.data.length;
    return { len: request.data.length };
  },
};
