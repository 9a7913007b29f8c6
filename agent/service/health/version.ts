import type { Rpc } from "../rpc.ts";

/** Version of the services, as the reference agent reports it. */
const GRPC_VERSION = "0.0.1";

export const version: Rpc<"Version"> = {
  afterDeath: "repeat",
  handle: async (agent) => ({ grpc_version: GRPC_VERSION, agent_version: agent.version }),
};
