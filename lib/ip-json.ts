/** IP family. */
export type Family = "v4" | "v6";

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

/** Returns a device of `ip -json address show`. */
export function toLink({ ifname, address = "", mtu = 0, addr_info = [] }: IpLink): Link {
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

/** A route in the main table. Empty strings and 0 mean "not set". */
export interface Route {
  /** A prefix. Hosts know the default route as "0.0.0.0" in IPv4 and "::1" in IPv6. */
  readonly dest: string;
  readonly gateway: string;
  readonly device: string;
  readonly source: string;
  /** RT_SCOPE_*; 0 for IPv6 routes. */
  readonly scope: number;
  readonly family: Family;
  /** RTNH_F_*. */
  readonly flags: number;
  readonly mtu: number;
}

interface IpHop {
  readonly gateway?: string;
  /** Set instead of `gateway` if the gateway's IP family differs from the route's. */
  readonly via?: { readonly host?: string };
  readonly dev?: string;
  readonly flags?: readonly string[];
}

/** One entry of the output of `ip -json -N -details route show`. */
export interface IpRoute extends IpHop {
  readonly type?: string;
  readonly dst?: string;
  readonly scope?: string;
  readonly prefsrc?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
  readonly nexthops?: readonly IpHop[];
}

const RTN_UNICAST = "1";
const DEFAULT: Readonly<Record<Family, string>> = { v4: "0.0.0.0", v6: "::1" };
const BITS: Readonly<Record<Family, number>> = { v4: 32, v6: 128 };
/** RTNH_F_* bits by the names that `ip` prints. */
const HOP_FLAGS: Readonly<Record<string, number>> = {
  dead: 1,
  pervasive: 2,
  onlink: 4,
  offload: 8,
  linkdown: 16,
  unresolved: 32,
  trap: 64,
};

/** Returns one route for each next hop. */
export function toRoutes(route: IpRoute, family: Family): Route[] {
  const { type = RTN_UNICAST, dst = "", scope = "0", prefsrc = "", metrics = [], nexthops } = route;
  if (type !== RTN_UNICAST) return [];
  const common = {
    dest: destination(dst, family),
    source: prefsrc,
    scope: family === "v4" ? Number(scope) : 0,
    family,
    mtu: metrics.find(({ mtu }) => mtu !== undefined)?.mtu ?? 0,
  };
  return (nexthops ?? [route]).map(({ gateway, via, dev = "", flags = [] }) => ({
    ...common,
    gateway: gateway ?? via?.host ?? "",
    device: dev,
    flags: flags.reduce((bits, name) => bits | (HOP_FLAGS[name] ?? 0), 0),
  }));
}

/** `ip` omits the prefix length of a full-length prefix. */
function destination(dst: string, family: Family): string {
  if (dst === "default") return DEFAULT[family];
  return dst.includes("/") ? dst : `${dst}/${BITS[family]}`;
}
