import type { DeviceCgroupSpec } from "../container/cgroup/resources-spec.ts";
import type { DeviceSpec } from "../container/spec.ts";

type Numbers = Pick<DeviceSpec, "type" | "major" | "minor">;

/** A device that a container has of the guest. */
export interface GuestDevice extends Numbers {
  /** How it may be used; of one that the host knows, unless a rule of the host names it. */
  readonly access: string;
  /** Its numbers on the host; absent: the host does not know it. */
  readonly host?: Numbers;
}

/** Rules of a host for a container with `devices`: with the guest's numbers, and with those that it does not give. */
export function guestRules(
  rules: readonly DeviceCgroupSpec[],
  devices: readonly GuestDevice[],
): readonly DeviceCgroupSpec[] {
  const byHost = new Map(devices.flatMap((device) => (device.host ? [[keyOf(device.host), device] as const] : [])));
  const named = new Set(rules.map((rule) => byHost.get(keyOf(rule))));
  const rewritten = rules.map((rule): DeviceCgroupSpec => {
    const guest = byHost.get(keyOf(rule));
    return guest === undefined ? rule : { ...rule, major: guest.major, minor: guest.minor };
  });
  const added = devices
    .filter((device) => !named.has(device))
    .map(({ type, major, minor, access }): DeviceCgroupSpec => ({ allow: true, type, major, minor, access }));
  return [...rewritten, ...added];
}

/** `u` is a character device too. A rule for all minors, or all types, names no single device. */
function keyOf({ type, major, minor }: Numbers | DeviceCgroupSpec): string {
  return `${type === "u" ? "c" : type} ${major}:${minor}`;
}
