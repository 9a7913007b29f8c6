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
  /** Empty for a device without one. */
  readonly hardwareAddress: string;
  readonly mtu: number;
  readonly addresses: readonly LinkAddress[];
}

/** One entry of the output of `ip -json address show`. */
export interface IpLink {
  readonly ifname: string;
  readonly address?: string;
  readonly mtu?: number;
  readonly addr_info?: readonly {
    readonly family?: string;
    readonly local?: string;
    readonly prefixlen?: number;
  }[];
}

const FAMILIES: Readonly<Record<string, Family>> = { inet: "v4", inet6: "v6" };

/** Returns all network devices with their addresses, by interface index. */
export async function listLinks(network: Network, signal: AbortSignal): Promise<Link[]> {
  const links = await ipJson<IpLink>(network, ["address", "show"], signal);
  return links.map(toLink);
}

function toLink({ ifname, address = "", mtu = 0, addr_info = [] }: IpLink): Link {
  return {
    name: ifname,
    hardwareAddress: address,
    mtu,
    addresses: addr_info.flatMap(({ family = "", local, prefixlen }) => {
      const known = FAMILIES[family];
      if (known === undefined || local === undefined || prefixlen === undefined) return [];
      return [{ address: local, length: prefixlen, family: known }];
    }),
  };
}
