import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { dialStreams } from "../../host/client/streams/dial-streams.ts";
import { relayMessages } from "../../host/client/streams/relay-messages.ts";

/** A web server that relays each WebSocket to guestd.v1.Streams. */
export interface WebSocketRelay extends AsyncDisposable {
  /** Address for `attach`. */
  readonly address: string;
}

export async function startWebSocketRelay(streamsAddress: string): Promise<WebSocketRelay> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, maxPayload: 1 << 20 });
  await once(server, "listening");
  server.on("connection", (socket) => {
    socket.pause(); // frames wait until the agent is connected
    dialStreams(streamsAddress).then(
      (streams) => {
        void relayMessages(socket, streams);
        socket.resume();
      },
      () => socket.close(1011),
    );
  });
  return {
    address: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
}
