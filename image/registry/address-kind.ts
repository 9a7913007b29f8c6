import { BlockList, isIP } from "node:net";

/** Kinds of addresses, by who can be reached at them. */
export type AddressKind = "loopback" | "link-local" | "private" | "public";

const RANGES: Readonly<Record<Exclude<AddressKind, "public">, readonly string[]>> = {
  // 0.0.0.0 and :: are this machine, too.
  loopback: ["127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128"],
  "link-local": ["169.254.0.0/16", "fe80::/10"],
  private: [
    ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"],
    // A cloud's services are at 192.0.0.192; 198.18.0.0/15 is for tests within networks.
    ...["192.0.0.0/24", "198.18.0.0/15"],
    // Own gateways of a network to IPv4, and 6to4.
    ...["64:ff9b:1::/48", "2002::/16"],
  ],
};

const LISTS = Object.entries(RANGES).map(([kind, ranges]) => {
  const list = new BlockList();
  for (const range of ranges) {
    const [net = "", bits] = range.split("/");
    list.addSubnet(net, Number(bits), familyOf(net));
  }
  return [kind as AddressKind, list] as const;
});

/** Returns the kind of an IP address; IPv4 addresses inside IPv6 (::ffff:, 64:ff9b::) count as themselves. */
export function addressKind(address: string): AddressKind {
  const plain = embedded(address) ?? address;
  return LISTS.find(([, list]) => list.check(plain, familyOf(plain)))?.[0] ?? "public";
}

/** Returns the IPv4 address that gateways and kernels reach at an IPv6 address. */
function embedded(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, "")}]`);
  const [, high = "", low = ""] = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? [];
  if (high === "") return undefined;
  return [high, low].flatMap((part) => [Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 255]).join(".");
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
