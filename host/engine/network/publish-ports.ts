import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type FlowHandlers, relayDatagrams } from "../../client/streams/local-datagrams.ts";
import { relayFrom } from "../../client/streams/local-forward.ts";
import { cannotPublish, type PortForward } from "../../vm/port-forward.ts";

/**
 * Listens on ports of the host, and connects each connection and each sender of datagrams to a port of `guest`, an IPv4
 * address, until disposal, which also resets what is open. Throws MachineError if a port is taken.
 */
export async function publishPorts(guest: string, forwards: readonly PortForward[]): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const open = new Set<Socket>();
  undo.defer(() => {
    for (const socket of open) socket.destroy(new Error(`guest ${guest}: it ended`));
  });
  for (const forward of forwards) {
    const { protocol, address, hostPort, guestPort } = forward;
    const place = { host: address, port: hostPort };
    const listener =
      protocol === "tcp"
        ? relayFrom(place, () => connectTo(guest, guestPort, open))
        : relayDatagrams(place, (handlers) => openFlow(guest, guestPort, handlers));
    const { close } = await listener.catch((error: unknown) => {
      throw cannotPublish(forward, error);
    });
    undo.defer(close);
  }
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function connectTo(host: string, port: number, open: Set<Socket>): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true });
  open.add(socket);
  socket.once("close", () => open.delete(socket));
  await once(socket, "connect");
  return socket;
}

/** Sends datagrams to a port of the guest from a port of their own, and receives only what it answers. */
async function openFlow(host: string, port: number, { onDatagram, onClosed }: FlowHandlers) {
  const socket = createSocket("udp4");
  socket.on("message", onDatagram);
  socket.connect(port, host);
  await once(socket, "connect");
  // A port that no process listens on refuses by an error, which a later datagram may not get.
  socket.on("error", () => undefined);
  socket.once("close", onClosed);
  let isOpen = true;
  return {
    send(datagram: Uint8Array) {
      if (isOpen) socket.send(datagram);
    },
    close() {
      if (isOpen) socket.close();
      isOpen = false;
    },
  };
}
