import { type IpLink, type Link, toLink } from "../../lib/ip-json.ts";
import { ipJson } from "./ip.ts";
import type { Network } from "./network.ts";

/** Returns all network devices with their addresses, by interface index. */
export async function listLinks(network: Network, signal: AbortSignal): Promise<Link[]> {
  const links = await ipJson<IpLink>(network, ["address", "show"], signal);
  return links.map(toLink);
}
