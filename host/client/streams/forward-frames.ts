import type { Duplex } from "node:stream";
import {
  encodeStreamFrame,
  type FrameType,
  MAX_PAYLOAD_BYTES,
  STREAM,
  STREAM_HEADER_BYTES,
  type StreamFrame,
  StreamFrameParser,
} from "../../../proto/stream-frame.ts";
import { type DialOptions, dial } from "../dial.ts";
import { failureIn, refusalIn } from "../edge/failure.ts";
import { RpcError } from "../rpc-error.ts";

/** Longest frame, with its header. */
const MAX_FRAME = STREAM_HEADER_BYTES + MAX_PAYLOAD_BYTES;

export type ForwardDialOptions = Pick<DialOptions, "dialVsock" | "signal">;

/** Sends a frame without an offset. */
export function sendFrame(socket: Duplex, type: FrameType, payload?: Uint8Array): void {
  socket.write(encodeStreamFrame(type, STREAM.process, 0, payload));
}

/** Connects and sends the first frame. A lost connection is an RpcError of kind "cut". */
export async function dialFrames(
  address: string,
  type: FrameType,
  payload: Uint8Array,
  options: ForwardDialOptions,
): Promise<Duplex> {
  const socket = await dial(address, options).catch((error: Error) => {
    throw cut(error.message, error);
  });
  socket.on("error", () => undefined);
  sendFrame(socket, type, payload);
  return socket;
}

export const cut = (reason: string, cause?: unknown) => new RpcError("cut", `forward: ${reason}`, { cause });

/** Returns the error that a frame reports; undefined for other frames. */
export function errorIn({ type, payload }: StreamFrame): RpcError | undefined {
  if (type === "forwardRefused") return refusalIn(payload);
  if (type !== "error") return undefined;
  return failureIn(payload);
}

/**
 * Resolves with the agent's first frame, and leaves all bytes after it in the socket. Rejects with RpcError, and destroys
 * the socket, if that frame is an error or doesn't come.
 */
export function firstFrame(socket: Duplex, signal: AbortSignal): Promise<StreamFrame> {
  return new Promise((resolve, reject) => {
    let [seen, wanted] = [Buffer.alloc(0), STREAM_HEADER_BYTES];
    const finish = (settle: () => void) => {
      socket.off("readable", onReadable).off("close", onClose).off("end", onClose);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const fail = (error: unknown) => {
      socket.destroy();
      finish(() => reject(error));
    };
    const onReadable = () => {
      try {
        for (;;) {
          const chunk = socket.read() as Buffer | null;
          if (chunk === null) return;
          seen = Buffer.concat([seen, chunk]);
          if (seen.length >= STREAM_HEADER_BYTES) wanted = STREAM_HEADER_BYTES + seen.readUInt32BE(4);
          if (wanted > MAX_FRAME) throw cut(`the agent announces an answer of ${wanted} bytes`);
          if (seen.length < wanted) continue;
          const rest = seen.subarray(wanted);
          const [frame] = new StreamFrameParser("agent").push(seen.subarray(0, wanted));
          if (frame === undefined) throw cut("the agent's answer is incomplete");
          const error = errorIn(frame);
          if (error !== undefined) return fail(error);
          if (rest.length > 0) socket.unshift(rest);
          return finish(() => resolve(frame));
        }
      } catch (error) {
        fail(error);
      }
    };
    const onClose = () => fail(cut("the agent closed the connection before it answered"));
    const onAbort = () => fail(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("readable", onReadable).on("close", onClose).on("end", onClose);
    if (socket.destroyed) onClose();
  });
}
