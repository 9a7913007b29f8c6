import type { AgentClient } from "../../host/client/agent-client.ts";

/** Methods of the contract that answer UNIMPLEMENTED so far; refusals.ts fails when one of them begins to work. */
export const NOT_YET: readonly (keyof AgentClient["agent"])[] = ["addSwap"];
