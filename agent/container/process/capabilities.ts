import { capabilityMask, isCapability } from "../../kernel/capabilities.ts";
import type { CapabilitySets } from "../spec.ts";

/** Returns each name that no kernel has, once. */
export function unknownCapabilities(sets: CapabilitySets | undefined): string[] {
  if (sets === undefined) return [];
  const { bounding, effective, inheritable, permitted, ambient } = sets;
  const names = [bounding, effective, inheritable, permitted, ambient].flat();
  return [...new Set(names.filter((name) => !isCapability(name)))];
}

const SYS_PTRACE = capabilityMask(["SYS_PTRACE"]);

/** True if a process with these sets may trace others, now or after it executes another program. */
export function mayTrace(sets: CapabilitySets | undefined): boolean {
  if (sets === undefined) return false;
  const { bounding, effective, inheritable, permitted, ambient } = sets;
  return [bounding, effective, inheritable, permitted, ambient].some(
    (set) => (capabilityMask(set) & SYS_PTRACE) !== 0n,
  );
}
