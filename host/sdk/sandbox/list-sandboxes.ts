import { StateStore } from "../../engine/record/state-store.ts";
import { supervise } from "../../engine/supervisor/supervise.ts";
import type { SandboxInfo } from "./options.ts";

/** Returns the running containers of this user's guests, by the records of the programs that keep them. */
export async function listSandboxes(): Promise<readonly SandboxInfo[]> {
  const store = new StateStore();
  await supervise(store);
  return store.guests().flatMap(({ name: guest, address, memoryMib, cpus, networkAddress, endsAt }) => {
    const records = store.processes.list(guest);
    const running = records.filter(({ container, exec, ended, starting }) => exec === container && !ended && !starting);
    return running.map(({ container: name, image, args: command, startedAt }) => {
      return {
        ...{ name, guest, address, image, command, memoryMib, cpus, startedAt: new Date(startedAt) },
        ...(networkAddress !== undefined && { networkAddress }),
        ...(endsAt !== undefined && { endsAt: new Date(endsAt) }),
      };
    });
  });
}
