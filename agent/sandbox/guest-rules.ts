import type { DeviceCgroupSpec } from "../container/cgroup/resources-spec.ts";
import type { DeviceSpec } from "../container/spec.ts";

type Numbers = Pick<DeviceSpec, "type" | "major" | "minor">;

/** A device of the guest that a container may use. */
export interface GuestDevice extends Numbers {
  /** Allowed access (`rwm`). A rule of the host for the same device takes precedence. */
  readonly access: string;
  /** The device's numbers on the host; absent if the host doesn't know the device. */
  readonly host?: Numbers;
}

/** Rewrites the host's device rules to the guest's numbers, and adds rules for `devices` that the host doesn't mention. */
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

/** Returns one key per device: `u` is a character device, too. A rule for all minors or all types matches no device's key. */
function keyOf({ type, major, minor }: Numbers | DeviceCgroupSpec): string {
  return `${type === "u" ? "c" : type} ${major}:${minor}`;
}
