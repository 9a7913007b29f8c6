import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { listenVsock, VSOCK_ANY } from "../../../agent/kernel/sys/listeners.ts";
import { adoptStream } from "../../../agent/kernel/sys/streams.ts";
import { parseAddress } from "../../../host/client/address.ts";
import type { Guest } from "../../../host/vm/guest.ts";

/** Listens on a port of the host to which a guest may connect: on its VMM's socket, or on vsock itself. */
export async function listenForGuest(
  guest: Guest,
  port: number,
): Promise<AsyncDisposable & { readonly connection: Promise<Readable> }> {
  const address = parseAddress(guest.address(port));
  if (address.kind === "hvsock") {
    const server = createServer().listen(`${address.path}_${port}`);
    const sockets: Socket[] = [];
    server.on("connection", (socket) => sockets.push(socket));
    await once(server, "listening");
    return {
      connection: once(server, "connection").then(([socket]) => socket as Socket),
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  }
  const { promise, resolve } = Promise.withResolvers<Readable>();
  const listener = listenVsock({ cid: VSOCK_ANY, port }, (fd) => resolve(adoptStream(fd)));
  return { connection: promise, [Symbol.asyncDispose]: () => listener.close() };
}
