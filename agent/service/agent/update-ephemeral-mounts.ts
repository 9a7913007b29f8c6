import type { Rpc } from "../rpc.ts";
import { toStorage } from "../to-storage.ts";

/** The Go shim sends an empty list as well. */
export const updateEphemeralMounts: Rpc<"UpdateEphemeralMounts"> = {
  afterDeath: "repeat",
  async handle({ sandbox }, request) {
    await sandbox.updateEphemeral(request.storages.map(toStorage));
    return {};
  },
};
