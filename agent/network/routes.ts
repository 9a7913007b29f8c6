import type { Family } from "./check.ts";
import { ipBatch, ipJson } from "./ip.ts";
import { hasIpv6, type Network } from "./network.ts";

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

const SHOW = "route show table main";

/** Returns the unicast routes of the main table, IPv4 first. */
export async function listRoutes(network: Network, signal: AbortSignal): Promise<Route[]> {
  const args = ["-details", "-4", ...SHOW.split(" ")];
  const [v4, v6] = await Promise.all([ipJson<IpRoute>(network, args, signal), listV6(network, signal)]);
  return [...v4.flatMap((route) => toRoutes(route, "v4")), ...v6];
}

/**
 * Applies `changes`, lines for `ip -batch`, and returns the routes afterwards. The process that makes the changes also
 * lists the IPv4 routes.
 */
export async function changeRoutes(
  network: Network,
  changes: readonly string[],
  signal: AbortSignal,
): Promise<Route[]> {
  const v4 = await ipBatch<IpRoute>(network, [...changes, SHOW], signal);
  return [...v4.flatMap((route) => toRoutes(route, "v4")), ...(await listV6(network, signal))];
}

/** Lists the IPv6 routes separately, because one batch has one family, here IPv4. */
async function listV6(network: Network, signal: AbortSignal): Promise<Route[]> {
  if (!hasIpv6(network.files)) return [];
  const routes = await ipJson<IpRoute>(network, ["-details", "-6", ...SHOW.split(" ")], signal);
  return routes.flatMap((route) => toRoutes(route, "v6"));
}

/** Returns one route for each next hop. */
function toRoutes(route: IpRoute, family: Family): Route[] {
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
