import { posix } from "node:path";
import type { MountSpec } from "../spec.ts";
import { parseMountOptions } from "./mount-options.ts";

/** Files of /proc that tools such as lxcfs replace; runc allows the same list. */
const COVERABLE = new Set(
  [
    ...["cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev"],
    ...["sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"],
  ].map((name) => `/proc/${name}`),
);

/**
 * Normalizes a destination to an absolute path without ".", ".." and a trailing slash; a relative one starts at the
 * root.
 */
export function cleanTarget(destination: string): string {
  if (/^\/[^.]*[^./]$/.test(destination) && !destination.includes("//")) return destination;
  const path = posix.normalize(`/${destination}`);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** True for a file of /proc that a mount may cover. */
export function isCoverable(target: string): boolean {
  return COVERABLE.has(target);
}

export function isBind(mount: MountSpec): boolean {
  return mount.type === "bind" || parseMountOptions(mount.options).bind;
}

/** True for the container's own devpts instance at /dev/pts. */
export function isDevpts(mount: MountSpec): boolean {
  if (mount.type !== "devpts" || cleanTarget(mount.destination) !== "/dev/pts") return false;
  const { bind, remount } = parseMountOptions(mount.options);
  return !bind && !remount;
}

/** True if /dev is a bind of another directory, such as the guest's /dev: its content is left unchanged. */
export function isDevBound(mounts: readonly MountSpec[]): boolean {
  return mounts.some((mount) => cleanTarget(mount.destination) === "/dev" && isBind(mount));
}
