import type { Duplex } from "node:stream";
import { readLine } from "./read-head.ts";

/** Time in milliseconds in which a client names its port. */
const LINE_MS = 10_000;
const MAX_PORT = 2 ** 32 - 2;
/** The port on the VMM's side, which clients ignore. */
const OWN_PORT = 2 ** 30;

/** Reads the line by which a client of hybrid vsock names the port that it wants. Rejects with one line. */
export async function readConnectLine(client: Duplex, signal?: AbortSignal): Promise<number> {
  const limit = AbortSignal.timeout(LINE_MS);
  const line = await readLine(client, signal === undefined ? limit : AbortSignal.any([signal, limit]), {
    peer: "the client",
    remedy: "it has to send CONNECT and the port",
  });
  const port = Number(/^CONNECT (\d{1,10})$/.exec(line)?.[1] ?? -1);
  if (port < 0 || port > MAX_PORT)
    throw new Error(`the client sent ${JSON.stringify(line)}; send CONNECT and the port`);
  return port;
}

/** Tells the client that it is connected. */
export function answerConnectLine(client: Duplex): void {
  client.write(`OK ${OWN_PORT}\n`);
}
