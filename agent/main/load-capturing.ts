import type { RealSys } from "../kernel/sys/sys.ts";
import type { Agent } from "../service/rpc.ts";
import type { Capturing } from "../service/streams/capturing.ts";

/** Returns a function that loads the capturing of packets at its first call: most agents never capture. */
export function loadCapturing(agent: Agent, sys: RealSys): () => Promise<Capturing> {
  let loading: Promise<Capturing> | undefined;
  return () => {
    loading ??= import("../service/streams/capturing.ts").then(({ Capturing }) => new Capturing(agent, sys));
    return loading;
  };
}
