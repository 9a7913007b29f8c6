import { probeMemory } from "../../guest/online-memory.ts";
import type { Rpc } from "../rpc.ts";

export const memHotplugByProbe: Rpc<"MemHotplugByProbe"> = {
  afterDeath: "continue",
  async handle(_agent, request) {
    await probeMemory(request.memHotplugProbeAddr);
    return {};
  },
};
