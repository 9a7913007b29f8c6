import type { Rpc } from "../rpc.ts";
import { toStorage } from "../to-storage.ts";

/** Updates ephemeral mounts. The Go shim also sends an empty list. */
export const updateEphemeralMounts: Rpc<"UpdateEphemeralMounts"> = {
  afterDeath: "repeat",
  async handle({ sandbox }, request) {
    await sandbox.updateEphemeral(request.storages.map(toStorage));
    return {};
  },
};
