import type { Fd } from "../kernel.ts";
import { type NativeAddon, nativeAddon } from "./native-addon.ts";
import { checked } from "./sys-result.ts";

const [ENXIO, ERANGE, ENODATA, EOPNOTSUPP] = [6, 34, 61, 95];
/** XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux. */
const MAX_XATTR = 65_536;
const NANOS = 1_000_000_000n;

/** Calls for copying trees of files. Each throws SystemError. */
export function treeCalls(addon: NativeAddon = nativeAddon()) {
  const scratch = Buffer.allocUnsafeSlow(MAX_XATTR);
  return {
    /** Opens an entry of a directory by its name, which is bytes; `resolve` holds RESOLVE_* bits. */
    openName: (dir: Fd, name: Uint8Array, flags: number, resolve: number): Fd =>
      checked(addon.openName(dir, name, flags, resolve), "open", JSON.stringify(Buffer.from(name).toString())),
    /** Returns the names of a file's extended attributes; none if its file system has no attributes. */
    listXattrs(fd: Fd): string[] {
      const length = addon.listXattrs(fd, scratch);
      if (length === -EOPNOTSUPP) return [];
      const names = scratch.toString("utf8", 0, checked(length, "listxattr", fd));
      return names.split("\0").slice(0, -1);
    },
    /** Returns undefined if the attribute has disappeared. */
    getXattr(fd: Fd, name: string): Buffer | undefined {
      const length = addon.getXattr(fd, name, scratch);
      if (length === -ENODATA || length === -EOPNOTSUPP || length === -ERANGE) return undefined;
      return Buffer.from(scratch.subarray(0, checked(length, "getxattr", `${name} of fd ${fd}`)));
    },
    setXattr(fd: Fd, name: string, value: Uint8Array): void {
      checked(addon.setXattr(fd, name, value), "setxattr", name);
    },
    /** Sets a file's times of access and change, in nanoseconds since 1970; of a link itself through O_PATH. */
    setTimes(fd: Fd, access: bigint, change: bigint): void {
      const times = BigInt64Array.of(...split(access), ...split(change));
      checked(addon.setTimes(fd, new Uint8Array(times.buffer)), "utimensat", fd);
    },
    /** Returns the offset of the next data, or hole, from `offset` on; undefined if there is none. */
    seek(fd: Fd, offset: number, what: "data" | "hole"): number | undefined {
      const found = addon.seek(fd, offset, what === "hole" ? 1 : 0);
      return found === -ENXIO ? undefined : checked(found, "lseek", fd);
    },
  };
}

function split(time: bigint): [seconds: bigint, nanos: bigint] {
  const nanos = ((time % NANOS) + NANOS) % NANOS;
  return [(time - nanos) / NANOS, nanos];
}
