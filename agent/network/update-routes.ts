import { checkAddress, checkName, checkPrefix, type Family, type Prefix, refuse } from "./check.ts";
import { BatchError } from "./ip.ts";
import { requireNetDevices } from "./net-devices.ts";
import type { Network } from "./network.ts";
import { changeRoutes, type Route } from "./routes.ts";

const MAX_ROUTES = 4096;
const MAX_SCOPE = 255;
/** RTNH_F_* that a host may set; the others are the kernel's to tell. */
const SETTABLE = [
  [2, "pervasive"],
  [4, "onlink"],
] as const;
const EVERYTHING: Readonly<Record<Family, string>> = { v4: "0.0.0.0/0", v6: "::/0" };

/**
 * Adds the routes to the main table, or puts them in the place of their like; no other is touched. Those without a gateway
 * come first: a gateway has to be reached by one of them. Gives all routes of the table.
 */
export async function updateRoutes(network: Network, routes: readonly Route[], signal: AbortSignal): Promise<Route[]> {
  const lines = routeLines(routes);
  return network.lock.run(async () => {
    const devices = routes.map(({ device }) => device);
    requireNetDevices(network.files, "update routes", devices);
    return addAll(network, lines, signal);
  });
}

/** One that is there already counts as added. */
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

/** Lines for `ip -batch`. Throws invalid-argument for the first route that can't be. */
function routeLines(routes: readonly Route[]): string[] {
  if (routes.length > MAX_ROUTES) throw refuse(`update routes: ${routes.length} routes, ${MAX_ROUTES} can be`);
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
  if (scope > MAX_SCOPE) throw refuse(`${what}.scope: ${scope}, at most ${MAX_SCOPE} can be`);
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

/** A whole address is the one that packets get; a prefix says which packets the route is for. */
function sourceWords({ address, length, family }: Prefix): string {
  return length === (family === "v4" ? 32 : 128) ? `src ${address}` : `from ${address}/${length}`;
}

/** Of the addresses; the family that was said, which is IPv4 when nothing was, only where there are none. */
function familyOf(
  what: string,
  route: Route,
  dest: Prefix | undefined,
  source: Prefix | undefined,
  via: Family | undefined,
): Family {
  const bare = route.dest === "" || dest !== undefined ? undefined : checkAddress(what, route.dest);
  const family = dest?.family ?? bare ?? source?.family ?? via ?? route.family;
  // IPv4 behind a gateway of IPv6 is a route that can be
  const apart = via === "v4" && family === "v6";
  if (apart || (source ?? { family }).family !== family || (route.family === "v6" && family === "v4")) {
    throw refuse(`${what}: dest, source, gateway and family are not of one IP family`);
  }
  return family;
}
