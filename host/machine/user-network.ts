import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { MachineError } from "./machine-error.ts";

/** A port of this machine that leads to one of a guest. */
export interface PortForward {
  readonly protocol: "tcp" | "udp";
  /** IPv4 address of this machine to listen on; 0.0.0.0 for all. */
  readonly address: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** QEMU's user network: needs no rights, and reaches what this user's processes reach. */
export interface UserNetwork {
  readonly forwards: readonly PortForward[];
}

/** Fixed by QEMU. `gateway` is this machine, its loopback addresses included; `dns` asks this machine's resolver. */
export const USER_NETWORK = {
  address: "10.0.2.15",
  prefix: "24",
  gateway: "10.0.2.2",
  dns: "10.0.2.3",
  mac: "02:00:0a:00:02:0f",
} as const;

/** QEMU's arguments for a card on that network. IPv4 alone; without a boot ROM, which is a package of its own. */
export function userNetworkArguments({ forwards }: UserNetwork): readonly string[] {
  const rules = forwards.map(({ protocol, address, hostPort, guestPort }) => {
    return `,hostfwd=${protocol}:${address}:${hostPort}-${USER_NETWORK.address}:${guestPort}`;
  });
  const card = `virtio-net-pci,netdev=user,mac=${USER_NETWORK.mac},romfile=`;
  return ["-netdev", `user,id=user,ipv6=off${rules.join("")}`, "-device", card];
}

/** Rejects with one line for a port that can't be had; QEMU would tell it in a line about its options, after the start. */
export async function checkForwards({ forwards }: UserNetwork): Promise<void> {
  for (const { protocol, address, hostPort } of forwards) {
    const socket = protocol === "tcp" ? createServer() : createSocket("udp4");
    try {
      if ("listen" in socket) await once(socket.listen(hostPort, address), "listening");
      else await once(socket.bind(hostPort, address), "listening");
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code;
      throw new MachineError(`publish ${protocol} port ${hostPort} of ${address}: ${reason}: choose another`);
    }
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}
