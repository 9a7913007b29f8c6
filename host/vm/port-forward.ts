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

/** Rejects with one line if a port can't be bound, which is otherwise reported only once the guest runs. */
export async function checkForwards(forwards: readonly PortForward[]): Promise<void> {
  for (const forward of forwards) {
    const { protocol, address, hostPort } = forward;
    const socket = protocol === "tcp" ? createServer() : createSocket("udp4");
    try {
      if ("listen" in socket) await once(socket.listen(hostPort, address), "listening");
      else await once(socket.bind(hostPort, address), "listening");
    } catch (error) {
      throw cannotPublish(forward, error);
    }
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

/** Returns the error for a port that can't be bound. */
export function cannotPublish({ protocol, address, hostPort }: PortForward, error: unknown): MachineError {
  const reason = (error as NodeJS.ErrnoException).code;
  return new MachineError(`publish ${protocol} port ${hostPort} of ${address}: ${reason}; choose another`);
}
