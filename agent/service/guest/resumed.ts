import type { Rpc } from "../rpc.ts";

/** Stays open over the death of the agent that sets a clone's identity; the next one answers. */
export const resumed: Rpc<"Resumed"> = {
  afterDeath: "continue",
  handle: ({ warmStart }, request) => warmStart.resume(request),
};
