import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE, HEADER_BYTES, MAX_BODY_BYTES, writeHeader } from "../../proto/ttrpc-frame.ts";
import type { RpcStatus } from "../service/status.ts";

/**
 * The frame of a successful answer, or its body's length when that is over the limit. `status` is present and empty,
 * as the Rust server writes it.
 */
export function okFrame(streamId: number, payload: Uint8Array): Buffer | number {
  const at = HEADER_BYTES + EMPTY_STATUS.length + (payload.length === 0 ? 0 : 1 + varintBytes(payload.length));
  const length = at - HEADER_BYTES + payload.length;
  if (length > MAX_BODY_BYTES) return length;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  writeHeader(frame, length, streamId, FRAME_RESPONSE);
  frame.set(EMPTY_STATUS, HEADER_BYTES);
  if (payload.length > 0) writePayloadTag(frame, HEADER_BYTES + EMPTY_STATUS.length, payload.length);
  frame.set(payload, at);
  return frame;
}

/** The frame of a failed call. */
export function statusFrame(streamId: number, { code, message }: RpcStatus): Buffer {
  const body = ttrpc.Response.encode({ status: { code, message } }).finish(true);
  return Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_RESPONSE, flags: 0 }), body]);
}

/** Field 1, a message of no bytes. */
const EMPTY_STATUS = Uint8Array.of(0x0a, 0);

const varintBytes = (value: number): number => (value < 0x80 ? 1 : 1 + varintBytes(value >>> 7));

/** Field 2, bytes of this length. */
function writePayloadTag(frame: Buffer, at: number, length: number): void {
  frame[at++] = 0x12;
  for (; length > 127; length >>>= 7) frame[at++] = (length & 127) | 128;
  frame[at] = length;
}
