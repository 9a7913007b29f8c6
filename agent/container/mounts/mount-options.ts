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
} from "../../kernel/constants.ts";

/** MOUNT_ATTR_* flags to set and to clear. */
export interface AttributeChange {
  readonly set: number;
  readonly clear: number;
}

/** Options of one mount, sorted by what applies them. */
export interface MountOptions extends AttributeChange {
  readonly bind: boolean;
  /** True for `rbind`. */
  readonly recursive: boolean;
  readonly remount: boolean;
  /** `tmpcopyup`: the content of the covered directory is copied into the mount. */
  readonly copyUp: boolean;
  /** `idmap`, or `ridmap`, which includes all mounts below. */
  readonly idmap?: "idmap" | "ridmap" | undefined;
  /** Attributes of the mount and of all mounts below it: `rro` … */
  readonly below: AttributeChange;
  /** MS_SHARED …, or 0 if unset. */
  readonly propagation: number;
  readonly propagationRecursive: boolean;
  /** Options for the file system: `mode=755` → ["mode", "755"], `sync` → ["sync"]. */
  readonly data: readonly (readonly [string, string?])[];
  /** Options of other runtimes that the launch plan doesn't support. */
  readonly unsupported: readonly string[];
}

const ATTRIBUTES = new Map<string, readonly [set: number, clear: number]>([
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
]);

/** Defaults of every mount, and mount(2) options that no file system of Linux 6 uses. */
const WITHOUT_EFFECT = new Set(["", "defaults", "async", "silent", "loud", "iversion", "noiversion", "acl", "noacl"]);

const PROPAGATION = new Map([
  ["private", MS_PRIVATE],
  ["slave", MS_SLAVE],
  ["shared", MS_SHARED],
  ["unbindable", MS_UNBINDABLE],
]);

const UNSUPPORTED = new Set(["copy-symlink", "src-nofollow", "dest-nofollow"]);

const parsed = new WeakMap<readonly string[], MountOptions>();

/**
 * Sorts the options. Several steps of a creation need the same list, so the result is cached for the list's lifetime.
 */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const known = parsed.get(options);
  if (known !== undefined) return known;
  const sorted = sortOptions(options);
  parsed.set(options, sorted);
  return sorted;
}

function sortOptions(options: readonly string[]): MountOptions {
  let [bind, recursive, remount, copyUp, propagation, propagationRecursive] = [false, false, false, false, 0, false];
  let idmap: "idmap" | "ridmap" | undefined;
  let [own, below] = [NO_CHANGE, NO_CHANGE];
  const data: [string, string?][] = [];
  const unsupported: string[] = [];
  for (const option of options) {
    const base = option.startsWith("r") ? option.slice(1) : "";
    const attribute = ATTRIBUTES.get(option);
    const attributeBelow = ATTRIBUTES.get(base);
    const spread = PROPAGATION.get(option) ?? PROPAGATION.get(base);
    if (option === "bind" || option === "rbind") {
      bind = true;
      recursive ||= option === "rbind";
    } else if (option === "remount") remount = true;
    else if (option === "tmpcopyup") copyUp = true;
    else if (option === "idmap" || option === "ridmap") idmap = option;
    else if (attribute !== undefined) own = change(own, attribute);
    else if (attributeBelow !== undefined) below = change(below, attributeBelow);
    else if (spread !== undefined) {
      propagation = spread;
      propagationRecursive = option.startsWith("r");
    } else if (UNSUPPORTED.has(option)) unsupported.push(option);
    else if (!WITHOUT_EFFECT.has(option)) {
      const at = option.indexOf("=");
      data.push(at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]);
    }
  }
  const spread = { propagation, propagationRecursive };
  return {
    ...{ bind, recursive, remount, copyUp, ...own, below, ...spread, data, unsupported },
    idmap,
  };
}

const NO_CHANGE: AttributeChange = { set: 0, clear: 0 };

/** Merges an option into a change; the later of two conflicting options wins. */
function change({ set, clear }: AttributeChange, [sets, clears]: readonly [number, number]): AttributeChange {
  return { set: (set & ~(sets | clears)) | sets, clear: (clear & ~sets) | clears };
}
