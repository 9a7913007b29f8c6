import type { Socket } from "node:net";
import { answerConnectLine, readConnectLine } from "../../client/connect-line.ts";
import { ConversationError } from "../conversation-error.ts";

/** Accepts a host's connection as a VMM of hybrid vsock does. Rejects for another port. */
export async function acceptHybrid(host: Socket, port: number, signal: AbortSignal): Promise<void> {
  const wanted = await readConnectLine(host, signal);
  if (wanted !== port) {
    throw new ConversationError(`relay: the host sent "CONNECT ${wanted}"; only CONNECT ${port} is relayed`);
  }
  answerConnectLine(host);
}
