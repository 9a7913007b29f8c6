import { removeStaleShareMounts } from "../../storage/stale-mounts.ts";
import type { Rpc } from "../rpc.ts";

export const removeStaleVirtiofsShareMounts: Rpc<"RemoveStaleVirtiofsShareMounts"> = async ({ kernel }, _, call) => {
  await removeStaleShareMounts(kernel.files, call.signal);
  return {};
};
