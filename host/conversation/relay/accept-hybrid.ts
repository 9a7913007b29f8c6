import type { Socket } from "node:net";
import { readLine } from "../../client/read-head.ts";
import { ConversationError } from "../conversation-error.ts";

/** Time in which a host sends its line. */
const LINE_MS = 10_000;
/** The port on the VMM's side, which hosts ignore. */
const OWN_PORT = 2 ** 30;

/** Accepts a host's connection as a VMM of hybrid vsock does: reads its CONNECT line and answers it. Rejects for another port. */
export async function acceptHybrid(host: Socket, port: number, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(LINE_MS);
  const line = await readLine(host, AbortSignal.any([signal, limit]), {
    peer: "the host",
    remedy: "it had to send CONNECT and the port",
  });
  if (line !== `CONNECT ${port}`) {
    throw new ConversationError(`relay: the host sent ${JSON.stringify(line)}; only CONNECT ${port} is relayed`);
  }
  host.write(`OK ${OWN_PORT}\n`);
}
