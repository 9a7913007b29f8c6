import { readdirSync, readlinkSync } from "node:fs";
import { nativeAddon } from "../sys/native-addon.ts";

/** Counts this process's open descriptors, including the one that the loaded addon keeps for its Polls. */
export function openDescriptors(): number {
  nativeAddon();
  // Not counting the directory being read.
  return readdirSync("/proc/self/fd").length - 1;
}

/** Lists this process's open descriptors with what they refer to: "17 pipe:[4711]". */
export function descriptorTargets(): string[] {
  nativeAddon();
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // the directory being read
    }
  });
}
