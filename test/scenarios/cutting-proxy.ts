import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Random } from "../../lib/seeded-random.ts";

/** A unix socket that passes connections on and cuts each one after a random number of bytes, in either direction. */
export interface CuttingProxy extends AsyncDisposable {
  readonly address: string;
  /** Connections cut so far. */
  readonly cuts: number;
  /** Passes everything on from now on. */
  stopCutting(): void;
}

/** Starts a proxy at `path` to the unix socket `target`. A connection passes at most `mostBytes`. */
export async function startCuttingProxy(
  path: string,
  target: string,
  random: Random,
  mostBytes: number,
): Promise<CuttingProxy> {
  let [cuts, isCutting] = [0, true];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false }, (client) => {
    const agent = connect(target);
    let left = Math.floor(random() * mostBytes);
    const end = () => {
      client.destroy();
      agent.destroy();
    };
    const pass = (from: Socket, to: Socket) => {
      sockets.add(from);
      from.on("error", end).once("close", () => {
        sockets.delete(from);
        end();
      });
      from.on("data", (chunk: Buffer) => {
        if (isCutting && chunk.length > left) {
          to.write(chunk.subarray(0, left), end);
          from.pause();
          cuts++;
          return;
        }
        left -= chunk.length;
        if (!to.write(chunk)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
    };
    pass(client, agent);
    pass(agent, client);
  });
  server.listen(path);
  await once(server, "listening");
  return {
    address: `unix://${path}`,
    get cuts() {
      return cuts;
    },
    stopCutting: () => {
      isCutting = false;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
