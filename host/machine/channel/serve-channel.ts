import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { readLine } from "../../client/read-head.ts";
import { Channel } from "./channel.ts";
import { MAX_CONNECTIONS } from "./frame.ts";

/** Time in which a client names its port. */
const LINE_MS = 10_000;
const MAX_PORT = 2 ** 32 - 2;
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
    const line = await readLine(client, AbortSignal.timeout(LINE_MS), { peer: "the client", remedy: "send CONNECT" });
    const port = Number(/^CONNECT (\d{1,10})$/.exec(line)?.[1] ?? -1);
    if (port < 0 || port > MAX_PORT) throw new Error(`no port in ${JSON.stringify(line)}`);
    channel.connect(client, port);
  } catch {
    client.destroy();
  }
}
