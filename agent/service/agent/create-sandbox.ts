import { BEGUN } from "../dispatch.ts";
import type { Rpc } from "../rpc.ts";
import { toStorage } from "../to-storage.ts";

export const createSandbox: Rpc<"CreateSandbox"> = {
  afterDeath: "continue",
  async handle({ sandbox, warmStart }, request, call) {
    using _inside = warmStart.gate.enter("create sandbox", call.progress);
    if (call.progress === BEGUN && sandbox.id === request.sandbox_id) return {};
    if (!sandbox.exists) call.note?.(BEGUN);
    await sandbox.create({
      id: request.sandbox_id,
      hostname: request.hostname,
      dns: request.dns,
      guestHookPath: request.guest_hook_path,
      storages: request.storages.map(toStorage),
      kernelModules: request.kernel_modules,
    });
    return {};
  },
};
