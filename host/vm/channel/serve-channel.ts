import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { readConnectLine } from "../../client/connect-line.ts";
import { Channel } from "./channel.ts";
import { MAX_CONNECTIONS } from "./frame.ts";

/** Bytes for QEMU that wait, from which on clients wait as well. */
const PORT_BYTES = 262_144;

export interface ServedChannel {
  close(): void;
}

/**
 * Serves the channel to a guest: clients at the unix socket `path` as a VMM of hybrid vsock does (`CONNECT <port>`), and
 * QEMU, which connects the guest's port, at `socket`. Resolves once it listens at both, at `socket` last.
 */
export async function serveChannel(
  { path, socket }: { readonly path: string; readonly socket: string },
  onFailure: (error: unknown) => void,
): Promise<ServedChannel> {
  const channel = new Channel(onFailure);
  const sockets = new Set<Socket>();
  const keep = (one: Socket) => {
    sockets.add(one);
    one.once("close", () => sockets.delete(one));
  };
  const clients = createServer({ allowHalfOpen: true }, (client) => {
    keep(client);
    void accept(channel, client);
  });
  clients.maxConnections = MAX_CONNECTIONS;
  const port = createServer({ highWaterMark: PORT_BYTES }, (qemu) => {
    keep(qemu);
    channel.attach(qemu);
  });
  await listen(clients, path);
  await listen(port, socket);
  return {
    close() {
      clients.close();
      port.close();
      for (const one of sockets) one.destroy();
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen({ path });
  await once(server, "listening");
}

async function accept(channel: Channel, client: Socket): Promise<void> {
  client.on("error", () => undefined);
  try {
    channel.connect(client, await readConnectLine(client));
  } catch {
    client.destroy();
  }
}
