import { type IpRoute, type Route, toRoutes } from "../../lib/ip-json.ts";
import { ipBatch, ipJson } from "./ip.ts";
import { hasIpv6, type Network } from "./network.ts";

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
