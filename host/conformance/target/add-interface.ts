import { execFile } from "node:child_process";
import { readlinkSync } from "node:fs";
import { promisify } from "node:util";

/** MAC address of the interface that cases may change. */
const MAC = "02:00:00:00:16:01";

/**
 * Creates one end of a pair of interfaces in the network namespace of a process, unless it exists. Rejects if that is this
 * machine's.
 */
export async function addInterface(pid: number): Promise<string> {
  if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync("/proc/self/ns/net")) {
    throw new Error("the agent has this machine's network");
  }
  const make = `ip link | grep -q ${MAC} || ip link add conf0 address ${MAC} type veth peer name conf1`;
  await promisify(execFile)("nsenter", ["-t", String(pid), "-n", "/bin/sh", "-c", make]);
  return MAC;
}
