import { AgentError } from "../../kernel/error.ts";
import type { Rpc } from "../rpc.ts";

/** Guestd has no memory agent: as the contract's one says when it is off. */
export const memAgentMemcgSet: Rpc<"MemAgentMemcgSet"> = async () => {
  throw new AgentError("internal", "mem-agent is disabled");
};
