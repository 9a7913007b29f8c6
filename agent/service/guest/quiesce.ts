import type { Rpc } from "../rpc.ts";

export const quiesce: Rpc<"Quiesce"> = {
  afterDeath: "continue",
  handle: ({ warmStart }, request) => warmStart.quiesce(request),
};
