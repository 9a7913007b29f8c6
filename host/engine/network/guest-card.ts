import type { AgentClient } from "../../client/agent-client.ts";
import type { GuestNetwork } from "../../vm/guest-network.ts";
import { openTapLink } from "../../vm/open-tap-link.ts";
import { checkForwards, type PortForward } from "../../vm/port-forward.ts";
import { checkTap, TAP_MAC, tapArguments, tapName } from "../../vm/tap-network.ts";
import { USER_NETWORK, type UserNetwork } from "../../vm/user-network.ts";
import { hostNameServers } from "./host-name-servers.ts";
import { publishPorts } from "./publish-ports.ts";
import { setUpNetwork } from "./set-up-network.ts";

/** Network card of a guest that is about to start. */
export interface GuestCard {
  /** A card that can be unplugged, so that its guest can be saved. */
  readonly network?: UserNetwork;
  readonly qemuArgs: readonly string[];
  /** Lines of the sandbox's resolv.conf; at least one. */
  readonly dns: readonly string[];
  /** Configures both ends once the guest runs, and publishes its ports until disposal. */
  setUp(client: AgentClient, mac?: string): Promise<OpenCard>;
}

export interface OpenCard extends AsyncDisposable {
  /** The guest's address, if the host can connect to it. */
  readonly address?: string;
}

/** Prepares a guest's network. Throws MachineError if this host or user can't have it. */
export async function guestCard({ kind, forwards }: GuestNetwork): Promise<GuestCard> {
  if (kind === "tap") await checkTap();
  await checkForwards(forwards);
  return kind === "tap" ? await tapCard(forwards) : userCard(forwards);
}

function userCard(forwards: readonly PortForward[]): GuestCard {
  return {
    network: { forwards },
    qemuArgs: [],
    dns: [`nameserver ${USER_NETWORK.dns}`],
    async setUp(client, mac = USER_NETWORK.mac) {
      await setUpNetwork(client, { ...USER_NETWORK, mac });
      return { [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

async function tapCard(forwards: readonly PortForward[]): Promise<GuestCard> {
  const name = tapName();
  const servers = (await hostNameServers()).map((server) => `nameserver ${server}`);
  return {
    qemuArgs: tapArguments(name),
    dns: ["# The host's name servers, without those on loopback.", ...servers],
    async setUp(client) {
      const { host: gateway, guest: address, prefix } = await openTapLink(name);
      await setUpNetwork(client, { mac: TAP_MAC, address, prefix, gateway });
      return publishedCard(address, forwards);
    },
  };
}

/** Publishes ports of a guest to which the host can connect, until disposal. */
export async function publishedCard(address: string, forwards: readonly PortForward[]): Promise<OpenCard> {
  const ports = await publishPorts(address, forwards);
  return { address, [Symbol.asyncDispose]: () => ports[Symbol.asyncDispose]() };
}
