import { setTimeout as delay } from "node:timers/promises";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";

const CARD_MS = 10_000;
const POLL_MS = 20;

/** Addresses of a guest's network card. */
export interface CardAddresses {
  readonly mac: string;
  readonly address: string;
  readonly prefix: string;
  readonly gateway: string;
}

/** Mounts the sandbox's resolv.conf in a container, read-only, as all containers of a guest share it. */
export const RESOLV_CONF_MOUNT: Init<grpc.Mount> = {
  destination: "/etc/resolv.conf",
  source: "/run/kata-containers/sandbox/resolv.conf",
  type: "bind",
  options: ["bind", "ro", "nosuid", "nodev", "noexec"],
};

/** Sets the address of the guest's network card, which may have been plugged in a moment ago, and its default route. */
export async function setUpNetwork(
  { agent }: Pick<AgentClient, "agent">,
  { mac, address, prefix, gateway }: CardAddresses,
): Promise<void> {
  await waitForCard(agent, mac);
  const IPAddresses = [{ address, mask: prefix }];
  await agent.updateInterface({ interface: { device: "eth0", name: "eth0", hwAddr: mac, mtu: 1500, IPAddresses } });
  await agent.updateRoutes({ routes: { Routes: [{ gateway, device: "eth0" }] } });
}

/** Waits for a card that was plugged in a moment ago; if it doesn't appear, the next call fails with the reason. */
export async function waitForCard(agent: AgentClient["agent"], mac: string): Promise<void> {
  const end = performance.now() + CARD_MS;
  while (performance.now() < end) {
    const { Interfaces } = await agent.listInterfaces({});
    if (Interfaces.some(({ hwAddr }) => hwAddr === mac)) return;
    await delay(POLL_MS);
  }
}
