import type { AgentClient } from "../../host/client/agent-client.ts";

/**
 * Calls that hosts make and guestd answers with UNIMPLEMENTED so far. The hosts of these tests make them where the real
 * ones do, and go on; hosts.test.ts fails when one of them begins to work, so that it is taken off the list.
 */
export const NOT_YET: readonly (keyof AgentClient["agent"])[] = [
  "updateInterface",
  "updateRoutes",
  "addARPNeighbors",
  "onlineCPUMem",
  "updateEphemeralMounts",
  "removeStaleVirtiofsShareMounts",
];
