import type { Rpc } from "../rpc.ts";

/** grpc.HealthCheckResponse.ServingStatus. */
const SERVING = 1;

export const check: Rpc<"Check"> = {
  afterDeath: "repeat",
  handle: async () => ({ status: SERVING }),
};
