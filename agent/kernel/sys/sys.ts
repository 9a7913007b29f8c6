import type { Sys } from "../kernel.ts";
import { DescriptorPoller } from "./descriptor-poller.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";
import { descriptorCalls, descriptorSocketCalls, messageCalls } from "./sys-descriptors.ts";
import { deviceFilterCalls } from "./sys-device-filters.ts";
import { deviceMapperCalls } from "./sys-device-mapper.ts";
import { guestCalls } from "./sys-guest.ts";
import { mountCalls, terminalCalls } from "./sys-mounts.ts";
import { packetCalls } from "./sys-packets.ts";
import { processCalls } from "./sys-processes.ts";
import { socketCalls } from "./sys-sockets.ts";

/** `Sys` and the calls that only agent/kernel and the agent's start need: messages with descriptors, locks, settings. */
export type RealSys = Sys &
  ReturnType<typeof descriptorCalls> &
  ReturnType<typeof messageCalls> &
  ReturnType<typeof mountCalls> &
  ReturnType<typeof deviceFilterCalls> &
  ReturnType<typeof socketCalls> &
  ReturnType<typeof packetCalls> &
  ReturnType<typeof processCalls>;

/**
 * Opens the real system calls. A failed call throws SystemError, a wrong argument TypeError. Open one per process: libuv lets
 * only one of them wait on a descriptor.
 */
export function openSys(addon: NativeAddon = nativeAddon()): RealSys {
  const poller = new DescriptorPoller(addon);
  return {
    ...descriptorCalls(addon, poller),
    ...descriptorSocketCalls(addon, poller),
    ...messageCalls(addon),
    ...socketCalls(addon, poller),
    ...packetCalls(addon),
    ...mountCalls(addon),
    ...terminalCalls(addon),
    ...processCalls(addon),
    ...deviceFilterCalls(addon),
    ...guestCalls(addon),
    ...deviceMapperCalls(addon),
  };
}
