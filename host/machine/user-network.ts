import type { PortForward } from "./port-forward.ts";

/**
 * Addresses that QEMU fixes. `gateway` is the host, including its loopback addresses; `dns` forwards to the host's
 * resolver.
 */
export const USER_NETWORK = {
  address: "10.0.2.15",
  prefix: "24",
  gateway: "10.0.2.2",
  dns: "10.0.2.3",
  mac: "02:00:0a:00:02:0f",
} as const;

/** Returns QEMU's arguments for a network card: IPv4 only, and without a boot ROM, which is in a separate package. */
export function userNetworkArguments(forwards: readonly PortForward[]): readonly string[] {
  const rules = forwards.map(({ protocol, address, hostPort, guestPort }) => {
    return `,hostfwd=${protocol}:${address}:${hostPort}-${USER_NETWORK.address}:${guestPort}`;
  });
  const card = `virtio-net-pci,netdev=user,mac=${USER_NETWORK.mac},romfile=`;
  return ["-netdev", `user,id=user,ipv6=off${rules.join("")}`, "-device", card];
}
