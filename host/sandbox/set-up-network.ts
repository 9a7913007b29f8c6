import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { AgentClient } from "../client/agent-client.ts";
import { USER_NETWORK } from "../machine/user-network.ts";

const { address, prefix, gateway, dns, mac } = USER_NETWORK;

/** Lines of the sandbox's resolv.conf. */
export const USER_NETWORK_DNS: readonly string[] = [`nameserver ${dns}`];

/** Mounts the sandbox's resolv.conf in a container, read-only, as all containers of a guest share it. */
export const RESOLV_CONF_MOUNT: Init<grpc.Mount> = {
  destination: "/etc/resolv.conf",
  source: "/run/kata-containers/sandbox/resolv.conf",
  type: "bind",
  options: ["bind", "ro", "nosuid", "nodev", "noexec"],
};

/** Sets the address of the guest's network card and its default route. */
export async function setUpUserNetwork(client: AgentClient): Promise<void> {
  const IPAddresses = [{ address, mask: prefix }];
  await client.agent.updateInterface({
    interface: { device: "eth0", name: "eth0", hwAddr: mac, mtu: 1500, IPAddresses },
  });
  await client.agent.updateRoutes({ routes: { Routes: [{ gateway, device: "eth0" }] } });
}
