import type { Family, Route } from "../../lib/ip-json.ts";
import { invalidArgument } from "../kernel/invalid-argument.ts";
import { checkAddress, checkName, checkPrefix, type Prefix } from "./check.ts";
import { BatchError } from "./ip.ts";
import { requireNetDevices } from "./net-devices.ts";
import type { Network } from "./network.ts";
import { changeRoutes } from "./routes.ts";

const MAX_ROUTES = 4096;
const MAX_SCOPE = 255;
/** RTNH_F_* bits that a host may set. The kernel sets the others. */
const SETTABLE = [
  [2, "pervasive"],
  [4, "onlink"],
] as const;
const EVERYTHING: Readonly<Record<Family, string>> = { v4: "0.0.0.0/0", v6: "::/0" };

/**
 * Adds routes to the main table, replacing routes with the same key, and leaves all others alone. Routes without a
 * gateway come first, because they make the gateways reachable. Returns all routes of the table.
 */
export async function updateRoutes(network: Network, routes: readonly Route[], signal: AbortSignal): Promise<Route[]> {
  const lines = routeLines(routes);
  return network.lock.run(async () => {
    const devices = routes.map(({ device }) => device);
    requireNetDevices(network.files, "update routes", devices);
    return addAll(network, lines, signal);
  });
}

/** Adds the routes in order. A route that exists already counts as added. */
async function addAll(network: Network, lines: readonly string[], signal: AbortSignal): Promise<Route[]> {
  for (let rest = lines; ; ) {
    try {
      return await changeRoutes(network, rest, signal);
    } catch (error) {
      if (!(error instanceof BatchError) || !/File exists/.test(error.reason)) throw error;
      rest = rest.slice(error.line + 1);
    }
  }
}

/** Throws invalid-argument for the first invalid route. */
export function checkRoutes(routes: readonly Route[]): void {
  routeLines(routes);
}

/** Returns lines for `ip -batch`. Throws invalid-argument for the first invalid route. */
function routeLines(routes: readonly Route[]): string[] {
  if (routes.length > MAX_ROUTES)
    throw invalidArgument(`update routes: ${routes.length} routes, at most ${MAX_ROUTES} are allowed`);
  const lines = routes.map((route, index) => ({ gateway: route.gateway !== "", line: routeLine(route, index) }));
  return [...lines.filter(({ gateway }) => !gateway), ...lines.filter(({ gateway }) => gateway)].map(
    ({ line }) => line,
  );
}

function routeLine(route: Route, index: number): string {
  const what = `update routes: routes[${index}]`;
  const { gateway, scope, mtu } = route;
  const device = checkName(`${what}.device`, route.device);
  const dest = isDefault(route.dest) ? undefined : checkPrefix(`${what}.dest`, route.dest);
  const source = route.source === "" ? undefined : checkPrefix(`${what}.source`, route.source);
  const via = gateway === "" ? undefined : checkAddress(`${what}.gateway`, gateway);
  const family = familyOf(what, route, dest, source, via);
  if (scope > MAX_SCOPE) throw invalidArgument(`${what}.scope: ${scope} is out of range, use 0 to ${MAX_SCOPE}`);
  const words = SETTABLE.filter(([bit]) => route.flags & bit).map(([, word]) => word);
  return [
    `route replace ${dest === undefined ? EVERYTHING[family] : `${dest.address}/${dest.length}`}`,
    ...(via === undefined ? [] : [`via ${via === family ? "" : "inet6 "}${gateway}`]),
    `dev ${device} proto boot`,
    ...(family === "v4" ? [`scope ${scope}`] : []),
    ...(source === undefined ? [] : [sourceWords(source)]),
    ...(mtu === 0 ? [] : [`mtu ${mtu}`]),
    ...words,
  ].join(" ");
}

function isDefault(dest: string): boolean {
  return dest === "" || dest === "0.0.0.0" || dest === "::";
}

/**
 * A full-length prefix is the source address for packets; a shorter one selects the packets that the route applies to.
 */
function sourceWords({ address, length, family }: Prefix): string {
  return length === (family === "v4" ? 32 : 128) ? `src ${address}` : `from ${address}/${length}`;
}

/**
 * Returns the family of the route's addresses. The requested family, IPv4 by default, decides only if the route has
 * none.
 */
function familyOf(
  what: string,
  route: Route,
  dest: Prefix | undefined,
  source: Prefix | undefined,
  via: Family | undefined,
): Family {
  const bare = route.dest === "" || dest !== undefined ? undefined : checkAddress(what, route.dest);
  const family = dest?.family ?? bare ?? source?.family ?? via ?? route.family;
  // An IPv4 route through an IPv6 gateway is valid.
  const apart = via === "v4" && family === "v6";
  if (apart || (source ?? { family }).family !== family || (route.family === "v6" && family === "v4")) {
    throw invalidArgument(`${what}: dest, source, gateway and family belong to different IP families`);
  }
  return family;
}
