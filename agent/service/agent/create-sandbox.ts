import type { Rpc } from "../rpc.ts";
import { toStorage } from "../to-storage.ts";

export const createSandbox: Rpc<"CreateSandbox"> = async ({ sandbox }, request) => {
  await sandbox.create({
    id: request.sandbox_id,
    hostname: request.hostname,
    dns: request.dns,
    guestHookPath: request.guest_hook_path,
    storages: request.storages.map(toStorage),
    kernelModules: request.kernel_modules,
  });
  return {};
};
