import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type AddressPair, freePairs } from "./free-pairs.ts";
import { MachineError } from "./machine-error.ts";
import { runNetworkProgram } from "./network-program.ts";
import { ipProgram } from "./tap-network.ts";

/**
 * Brings a tap device of the host up, with a pair of addresses that no other network of the host has. The host's forwarding and
 * packet filters stay as they are. Throws MachineError.
 */
export async function openTapLink(name: string): Promise<AddressPair> {
  // Packets with other sources than the guest's are dropped. Packet filters often forget IPv6.
  await setKernelOption(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, "1");
  await setKernelOption(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, "1");
  await ip("link", "set", "dev", name, "up");
  for (const pair of freePairs(await takenNetworks())) {
    if (!(await claim(pair, name))) continue;
    await ip("address", "add", `${pair.host}/${pair.prefix}`, "dev", name, "noprefixroute");
    return pair;
  }
  throw new MachineError("network tap: no private address is free on this host; use the user network");
}

/** Adds the pair's route. False if another guest has it: the kernel refuses a second route to the same network. */
async function claim({ network }: AddressPair, name: string): Promise<boolean> {
  try {
    await ip("route", "add", network, "dev", name);
    return true;
  } catch (error) {
    if (error instanceof MachineError && error.kind === "already-exists") return false;
    throw error;
  }
}

/** Returns the networks of all routing tables, and addresses of devices that are down. */
async function takenNetworks(): Promise<readonly string[]> {
  const routes = JSON.parse(await ip("-json", "-4", "route", "show", "table", "all")) as { dst: string }[];
  const devices = JSON.parse(await ip("-json", "-4", "address")) as {
    addr_info?: { local?: string; prefixlen?: number }[];
  }[];
  const addresses = devices.flatMap(({ addr_info = [] }) => addr_info);
  return [...routes.map(({ dst }) => dst), ...addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`)];
}

async function setKernelOption(path: string, value: string): Promise<void> {
  if (!existsSync(path)) return;
  await writeFile(path, value).catch((error: NodeJS.ErrnoException) => {
    throw new MachineError(`network tap: write ${path}: ${error.code}; allow it, or use the user network`, {
      cause: error,
    });
  });
}

function ip(...args: readonly string[]): Promise<string> {
  return runNetworkProgram("network tap", [ipProgram(), ...args], "see ip address, or use the user network");
}
