import { posix } from "node:path";
import type { MountSpec } from "../spec.ts";
import { parseMountOptions } from "./mount-options.ts";

/** Files of /proc that tools such as lxcfs cover by their own; runc lets the same ones be covered. */
const COVERABLE = new Set(
  [
    ...["cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev"],
    ...["sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"],
  ].map((name) => `/proc/${name}`),
);

/** A destination as an absolute path without "." and ".." and a slash at its end; a relative one counts from the root. */
export function cleanTarget(destination: string): string {
  if (/^\/[^.]*[^./]$/.test(destination) && !destination.includes("//")) return destination;
  const path = posix.normalize(`/${destination}`);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** A file of /proc that may be covered. */
export function isCoverable(target: string): boolean {
  return COVERABLE.has(target);
}

export function isBind(mount: MountSpec): boolean {
  return mount.type === "bind" || parseMountOptions(mount.options).bind;
}

/** A devpts instance of the container's own at /dev/pts. */
export function isDevpts(mount: MountSpec): boolean {
  if (mount.type !== "devpts" || cleanTarget(mount.destination) !== "/dev/pts") return false;
  const { bind, remount } = parseMountOptions(mount.options);
  return !bind && !remount;
}

/** /dev is the guest's own, or another directory: what is in there is left alone. */
export function isDevBound(mounts: readonly MountSpec[]): boolean {
  return mounts.some((mount) => cleanTarget(mount.destination) === "/dev" && isBind(mount));
}
