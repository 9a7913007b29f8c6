import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../kernel/constants.ts";

/** Options of one mount, sorted by who acts on them. */
export interface MountOptions {
  readonly bind: boolean;
  readonly recursive: boolean;
  /** MOUNT_ATTR_* to set and to clear. */
  readonly set: number;
  readonly clear: number;
  /** MS_SHARED …, or 0 when nothing was asked. */
  readonly propagation: number;
  readonly propagationRecursive: boolean;
  /** For the file system: `mode=755` → ["mode", "755"], `sync` → ["sync"]. */
  readonly data: readonly (readonly [string, string?])[];
  /** Options of the OCI spec that the launch plan doesn't carry. */
  readonly unsupported: readonly string[];
}

const SET = new Map<string, readonly [set: number, clear: number]>([
  ["ro", [MOUNT_ATTR_RDONLY, 0]],
  ["rw", [0, MOUNT_ATTR_RDONLY]],
  ["nosuid", [MOUNT_ATTR_NOSUID, 0]],
  ["suid", [0, MOUNT_ATTR_NOSUID]],
  ["nodev", [MOUNT_ATTR_NODEV, 0]],
  ["dev", [0, MOUNT_ATTR_NODEV]],
  ["noexec", [MOUNT_ATTR_NOEXEC, 0]],
  ["exec", [0, MOUNT_ATTR_NOEXEC]],
  ["nodiratime", [MOUNT_ATTR_NODIRATIME, 0]],
  ["diratime", [0, MOUNT_ATTR_NODIRATIME]],
  ["nosymfollow", [MOUNT_ATTR_NOSYMFOLLOW, 0]],
  ["symfollow", [0, MOUNT_ATTR_NOSYMFOLLOW]],
  ["noatime", [MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME]],
  ["strictatime", [MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME]],
  ["relatime", [0, MOUNT_ATTR__ATIME]],
  ["atime", [0, MOUNT_ATTR__ATIME]],
  ["norelatime", [0, 0]],
  ["nostrictatime", [0, 0]],
  ["defaults", [0, 0]],
  ["async", [0, 0]],
]);

const PROPAGATION = new Map([
  ["private", MS_PRIVATE],
  ["slave", MS_SLAVE],
  ["shared", MS_SHARED],
  ["unbindable", MS_UNBINDABLE],
]);

/** Known to the OCI runtime spec, not carried yet. */
const UNSUPPORTED =
  /^(remount|tmpcopyup|idmap|ridmap|(r(ro|rw|nosuid|suid|nodev|dev|noexec|exec|noatime|atime|relatime|norelatime|nodiratime|diratime|strictatime|nostrictatime|symfollow|nosymfollow)))$/;

const parsed = new WeakMap<readonly string[], MountOptions>();

/** Sorts them. Several steps of a creation ask for the same mount: the answer is kept as long as the list lives. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const known = parsed.get(options);
  if (known !== undefined) return known;
  const sorted = sortOptions(options);
  parsed.set(options, sorted);
  return sorted;
}

function sortOptions(options: readonly string[]): MountOptions {
  let [bind, recursive, set, clear, propagation, propagationRecursive] = [false, false, 0, 0, 0, false];
  const data: [string, string?][] = [];
  const unsupported: string[] = [];
  for (const option of options) {
    const attribute = SET.get(option);
    const spread = PROPAGATION.get(option) ?? (option.startsWith("r") ? PROPAGATION.get(option.slice(1)) : undefined);
    if (option === "bind" || option === "rbind") {
      bind = true;
      recursive ||= option === "rbind";
    } else if (attribute !== undefined) {
      const mask = attribute[0] | attribute[1];
      set = (set & ~mask) | attribute[0];
      clear = (clear & ~attribute[0]) | attribute[1];
    } else if (spread !== undefined) {
      propagation = spread;
      propagationRecursive = option.startsWith("r");
    } else if (UNSUPPORTED.test(option)) {
      unsupported.push(option);
    } else if (option !== "") {
      const at = option.indexOf("=");
      data.push(at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]);
    }
  }
  return {
    bind,
    recursive,
    set,
    clear,
    propagation,
    propagationRecursive,
    data,
    unsupported,
  };
}
