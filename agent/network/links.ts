import { AgentError } from "../kernel/error.ts";
import { namesIn } from "../kernel/pci-path.ts";
import type { Family } from "./check.ts";
import { ipJson } from "./ip.ts";
import type { Network } from "./network.ts";

export interface LinkAddress {
  readonly address: string;
  readonly length: number;
  readonly family: Family;
}

export interface Link {
  readonly name: string;
  /** In lower case; "" for a device without one. */
  readonly hardwareAddress: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly loopback: boolean;
  readonly addresses: readonly LinkAddress[];
}

/** As `ip -json address show` prints it. */
export interface IpLink {
  readonly ifname: string;
  readonly address?: string;
  readonly mtu?: number;
  readonly flags?: readonly string[];
  readonly addr_info?: readonly {
    readonly family?: string;
    readonly local?: string;
    readonly prefixlen?: number;
  }[];
}

const FAMILIES: Readonly<Record<string, Family>> = { inet: "v4", inet6: "v6" };

/** All network devices with their addresses, in the order of their numbers. */
export async function listLinks(network: Network, signal: AbortSignal): Promise<Link[]> {
  const links = await ipJson<IpLink>(network, ["address", "show"], signal);
  return links.map(toLink);
}

function toLink({ ifname, address = "", mtu = 0, flags = [], addr_info = [] }: IpLink): Link {
  return {
    name: ifname,
    hardwareAddress: address.toLowerCase(),
    mtu,
    up: flags.includes("UP"),
    loopback: flags.includes("LOOPBACK"),
    addresses: addr_info.flatMap(({ family = "", local, prefixlen }) => {
      const known = FAMILIES[family];
      if (known === undefined || local === undefined || prefixlen === undefined) return [];
      return [{ address: local, length: prefixlen, family: known }];
    }),
  };
}

/** Throws for the first name that no network device has. Reads sysfs: nothing is run for it. */
export function requireLinks({ files }: Pick<Network, "files">, what: string, names: readonly string[]): void {
  const there = namesIn(files, "/sys/class/net");
  const missing = names.find((name) => !there.includes(name));
  if (missing === undefined) return;
  throw new AgentError("internal", `${what}: Link not found (Name: ${missing}); there are ${there.sort().join(", ")}`);
}
