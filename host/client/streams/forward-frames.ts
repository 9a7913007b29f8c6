import type { Duplex } from "node:stream";
import {
  encodeStreamFrame,
  type FrameType,
  STREAM,
  STREAM_HEADER_BYTES,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { throwIfError } from "../edge/failure.ts";
import { readHead } from "../read-head.ts";
import { RpcError } from "../rpc-error.ts";

export const cut = (reason: string, cause?: unknown) => new RpcError("cut", `forward: ${reason}`, { cause });

/**
 * Sends the first frame, and reads the agent's; all bytes after it stay in the socket. Rejects, and destroys the socket, if the
 * answer is an error or doesn't come.
 */
export async function greet(socket: Duplex, type: FrameType, payload: Uint8Array, signal: AbortSignal): Promise<void> {
  const take = (seen: Buffer) => {
    if (seen.length < STREAM_HEADER_BYTES) return undefined;
    const length = STREAM_HEADER_BYTES + seen.readUInt32BE(4);
    const [frame] = new StreamFrameParser("agent").push(seen.subarray(0, length));
    return frame && { value: frame, length };
  };
  const ended = () => new RpcError("cut", "the agent closed the connection before it answered");
  socket.write(encodeStreamFrame(type, STREAM.process, 0, payload));
  try {
    throwIfError(await readHead(socket, signal, take, ended));
  } catch (error) {
    const isBroken = error === socket.errored;
    socket.destroy();
    throw isBroken ? new RpcError("cut", (error as Error).message, { cause: error }) : error;
  }
}
