import type { Duplex } from "node:stream";
import { ttrpc } from "../../proto/gen/messages.js";
import {
  encodeHeader,
  FRAME_REQUEST,
  FRAME_RESPONSE,
  type Frame,
  FrameParser,
  MAX_BODY_BYTES,
  type OversizeFrame,
} from "../../proto/ttrpc-frame.ts";
import { RpcError } from "../client/rpc-error.ts";
import { oneLine } from "../operation-error.ts";
import { errorCode } from "./error-code.ts";

/** Answers a call with an encoded message, or throws. */
export type AnswerCall = (service: string, method: string, payload: Uint8Array) => Promise<Uint8Array>;

/** Answers the unary calls of a ttRPC connection, several at a time. Never throws: errors are answers of one line. */
export function serveTtrpc(stream: Duplex, answer: AnswerCall): void {
  const parser = new FrameParser();
  stream.on("error", () => stream.destroy());
  stream.on("end", () => stream.end());
  stream.on("data", (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) void serveFrame(frame);
  });

  async function serveFrame(frame: Frame | OversizeFrame): Promise<void> {
    if (frame.type !== FRAME_REQUEST) return;
    const body = await answered(frame).catch(failed);
    if (stream.destroyed) return;
    const header = encodeHeader(body.length, { streamId: frame.streamId, type: FRAME_RESPONSE, flags: 0 });
    stream.write(Buffer.concat([header, body]));
  }

  async function answered(frame: Frame | OversizeFrame): Promise<Uint8Array> {
    if (frame.kind === "oversize") {
      const line = `request of ${frame.length} bytes is over the limit of ${MAX_BODY_BYTES}`;
      throw new RpcError("resource-exhausted", line);
    }
    const { service, method, payload } = ttrpc.Request.decode(frame.body);
    return ttrpc.Response.encode({ payload: await answer(service, method, payload) }).finish();
  }
}

function failed(error: unknown): Uint8Array {
  return ttrpc.Response.encode({ status: { code: errorCode(error), message: oneLine(error) } }).finish();
}
