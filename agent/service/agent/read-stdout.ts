import { readStream } from "../read-stream.ts";
import type { Rpc } from "../rpc.ts";

export const readStdout: Rpc<"ReadStdout"> = {
  afterDeath: "repeat",
  emptyIfDenied: true,
  handle: (agent, request, call) => readStream(agent, request, "stdout", call),
};
