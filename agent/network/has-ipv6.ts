import type { Files } from "../kernel/files.ts";

/** The kernel has IPv6, and no sysctl has switched it off. */
export function hasIpv6(files: Pick<Files, "readText">): boolean {
  try {
    return files.readText("/proc/sys/net/ipv6/conf/all/disable_ipv6").trim() === "0";
  } catch {
    return false;
  }
}
