import { probeMemory } from "../../guest/online-memory.ts";
import type { Rpc } from "../rpc.ts";

export const memHotplugByProbe: Rpc<"MemHotplugByProbe"> = async (_agent, request) => {
  await probeMemory(request.memHotplugProbeAddr);
  return {};
};
