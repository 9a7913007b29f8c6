import type { Duplex } from "node:stream";
import {
  encodeStreamFrame,
  type FrameType,
  STREAM,
  type StreamFrame,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { dial } from "../dial.ts";
import { failureIn } from "../edge/failure.ts";
import { KeepAlive } from "./keep-alive.ts";

export interface AgentFramesOptions {
  readonly dial?: typeof dial;
  readonly signal?: AbortSignal;
}

/**
 * Connects to guestd.v1.Streams, sends the first frame, and yields the agent's frames until the connection ends. Throws
 * RpcError for an error of the agent, and other errors for a lost connection.
 */
export async function* agentFrames(
  address: string,
  type: FrameType,
  request: Uint8Array,
  { signal, dial: open = dial }: AgentFramesOptions = {},
): AsyncGenerator<StreamFrame, void> {
  const socket = await open(address, signal === undefined ? {} : { signal });
  socket.on("error", () => undefined);
  socket.write(encodeStreamFrame(type, STREAM.process, 0, request));
  using alive = new KeepAlive(socket);
  const abort = () => socket.destroy();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const parser = new StreamFrameParser("agent");
    for await (const chunk of socket as Duplex & AsyncIterable<Buffer>) {
      alive.answered();
      for (const frame of parser.push(chunk)) {
        if (frame.type === "error") throw failureIn(frame.payload);
        yield frame;
      }
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    socket.destroy();
  }
}
