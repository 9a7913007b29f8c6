import { removeStaleShareMounts } from "../../storage/stale-mounts.ts";
import type { Rpc } from "../rpc.ts";

export const removeStaleVirtiofsShareMounts: Rpc<"RemoveStaleVirtiofsShareMounts"> = {
  afterDeath: "repeat",
  async handle({ kernel }, _, call) {
    await removeStaleShareMounts(kernel.files, call.signal);
    return {};
  },
};
