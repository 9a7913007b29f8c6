import { readdirSync, readlinkSync } from "node:fs";
import { nativeAddon } from "../sys/native-addon.ts";

/** Counts the descriptors that this process has open, for tests. The addon has one for its Polls once it is loaded. */
export function openDescriptors(): number {
  nativeAddon();
  // The directory that is being read is one of them.
  return readdirSync("/proc/self/fd").length - 1;
}

/** Open descriptors of this process with what they refer to: "17 pipe:[4711]". For tests. */
export function descriptorTargets(): string[] {
  nativeAddon();
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // the directory that was being read
    }
  });
}
