import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import type { AgentClient } from "../client/agent-client.ts";

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

/** Sets the address of the guest's network card and its default route. */
export async function setUpNetwork(
  client: AgentClient,
  { mac, address, prefix, gateway }: CardAddresses,
): Promise<void> {
  const IPAddresses = [{ address, mask: prefix }];
  await client.agent.updateInterface({
    interface: { device: "eth0", name: "eth0", hwAddr: mac, mtu: 1500, IPAddresses },
  });
  await client.agent.updateRoutes({ routes: { Routes: [{ gateway, device: "eth0" }] } });
}
