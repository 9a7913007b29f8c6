import { AgentError } from "../../kernel/error.ts";
import type { Rpc } from "../rpc.ts";

/** As MemAgentMemcgSet. */
export const memAgentCompactSet: Rpc<"MemAgentCompactSet"> = async () => {
  throw new AgentError("internal", "mem-agent is disabled");
};
