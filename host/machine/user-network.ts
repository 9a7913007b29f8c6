import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { MachineError } from "./machine-error.ts";

/** Forwards a port of the host to a port of a guest. */
export interface PortForward {
  readonly protocol: "tcp" | "udp";
  /** IPv4 address of the host to listen on; 0.0.0.0 for all. */
  readonly address: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** QEMU's user network: needs no privileges, and reaches whatever this user's processes reach. */
export interface UserNetwork {
  readonly forwards: readonly PortForward[];
}

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
export function userNetworkArguments({ forwards }: UserNetwork): readonly string[] {
  const rules = forwards.map(({ protocol, address, hostPort, guestPort }) => {
    return `,hostfwd=${protocol}:${address}:${hostPort}-${USER_NETWORK.address}:${guestPort}`;
  });
  const card = `virtio-net-pci,netdev=user,mac=${USER_NETWORK.mac},romfile=`;
  return ["-netdev", `user,id=user,ipv6=off${rules.join("")}`, "-device", card];
}

/**
 * Rejects with one line if a port can't be bound. QEMU would report that only after its start, in a line about its
 * options.
 */
export async function checkForwards({ forwards }: UserNetwork): Promise<void> {
  for (const { protocol, address, hostPort } of forwards) {
    const socket = protocol === "tcp" ? createServer() : createSocket("udp4");
    try {
      if ("listen" in socket) await once(socket.listen(hostPort, address), "listening");
      else await once(socket.bind(hostPort, address), "listening");
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code;
      throw new MachineError(`publish ${protocol} port ${hostPort} of ${address}: ${reason}; choose another`);
    }
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}
