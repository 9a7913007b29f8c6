import { readdirSync } from "node:fs";
import { nativeAddon } from "./native-addon.ts";

/** Counts the descriptors that this process has open, for tests. The addon has one for its Polls from its loading on. */
export function openDescriptors(): number {
  nativeAddon();
  // The directory that is being read is one of them.
  return readdirSync("/proc/self/fd").length - 1;
}
