import { deviceTypes } from "../../device/devices.ts";
import { storageDrivers } from "../../storage/storages.ts";
import type { Rpc } from "../rpc.ts";

const BLOCK_SIZE = "/sys/devices/system/memory/block_size_bytes";
const PROBE = "/sys/devices/system/memory/probe";

export const getGuestDetails: Rpc<"GetGuestDetails"> = {
  afterDeath: "repeat",
  handle: async (agent, request) => ({
    mem_block_size_bytes:
      request.mem_block_size && agent.exists(BLOCK_SIZE) ? blockSize(agent.readText(BLOCK_SIZE)) : 0,
    support_mem_hotplug_probe: request.mem_hotplug_probe && agent.exists(PROBE),
    agent_details: {
      version: agent.version,
      init_daemon: agent.initDaemon,
      device_handlers: [...deviceTypes],
      storage_handlers: [...storageDrivers],
      supports_seccomp: true,
      extra_features: ["seccomp"],
    },
  }),
};

/** Parses the kernel's hexadecimal number, which has no prefix. */
function blockSize(text: string): number {
  return Number.parseInt(text.trim(), 16);
}
