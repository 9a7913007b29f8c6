import type { Files } from "../kernel/files.ts";

/** True if the kernel supports IPv6 and no sysctl disables it. */
export function hasIpv6(files: Pick<Files, "readText">): boolean {
  try {
    return files.readText("/proc/sys/net/ipv6/conf/all/disable_ipv6").trim() === "0";
  } catch {
    return false;
  }
}
