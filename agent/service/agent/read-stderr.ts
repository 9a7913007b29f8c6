import { readStream } from "../read-stream.ts";
import type { Rpc } from "../rpc.ts";

export const readStderr: Rpc<"ReadStderr"> = {
  afterDeath: "repeat",
  emptyIfDenied: true,
  handle: (agent, request, call) => readStream(agent, request, "stderr", call),
};
