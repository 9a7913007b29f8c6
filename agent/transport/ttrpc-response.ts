import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE, HEADER_BYTES, MAX_BODY_BYTES, writeHeader } from "../../proto/ttrpc-frame.ts";
import { ANSWER_ROOM } from "../service/dispatch.ts";
import type { RpcStatus } from "../service/status.ts";

/**
 * Builds the frame of a successful answer in the room that the answer reserves, or returns the body's length if that is over
 * the limit. `status` is present and empty, as the Rust server writes it.
 */
export function okFrame(streamId: number, answer: Uint8Array): Uint8Array | number {
  const payload = answer.length - ANSWER_ROOM;
  const prefix = EMPTY_STATUS.length + (payload === 0 ? 0 : 1 + varintBytes(payload));
  if (prefix + payload > MAX_BODY_BYTES) return prefix + payload;
  const frame = answer.subarray(ANSWER_ROOM - prefix - HEADER_BYTES);
  writeHeader(frame, prefix + payload, streamId, FRAME_RESPONSE);
  frame.set(EMPTY_STATUS, HEADER_BYTES);
  if (payload > 0) writePayloadTag(frame, HEADER_BYTES + EMPTY_STATUS.length, payload);
  return frame;
}

/** Builds the frame of a failed call. */
export function statusFrame(streamId: number, { code, message }: RpcStatus): Buffer {
  const body = ttrpc.Response.encode({ status: { code, message } }).finish(true);
  return Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_RESPONSE, flags: 0 }), body]);
}

/** Field 1, an empty message. */
const EMPTY_STATUS = Uint8Array.of(0x0a, 0);

const varintBytes = (value: number): number => (value < 0x80 ? 1 : 1 + varintBytes(value >>> 7));

/** Writes the tag of field 2, bytes of this length. */
function writePayloadTag(frame: Uint8Array, at: number, length: number): void {
  frame[at++] = 0x12;
  for (; length > 127; length >>>= 7) frame[at++] = (length & 127) | 128;
  frame[at] = length;
}
