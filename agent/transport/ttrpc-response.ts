import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE, HEADER_BYTES, MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import type { RpcStatus } from "../service/status.ts";

/**
 * The frame of a successful answer, or its body's length when that is over the limit. `status` is present and empty,
 * as the Rust server writes it.
 */
export function okFrame(streamId: number, payload: Uint8Array): Buffer | number {
  const prefix = payload.length === 0 ? EMPTY_STATUS : Buffer.concat([EMPTY_STATUS, payloadTag(payload.length)]);
  const length = prefix.length + payload.length;
  if (length > MAX_BODY_BYTES) return length;
  const header = encodeHeader(length, { streamId, type: FRAME_RESPONSE, flags: 0 });
  return Buffer.concat([header, prefix, payload], HEADER_BYTES + length);
}

/** The frame of a failed call. */
export function statusFrame(streamId: number, { code, message }: RpcStatus): Buffer {
  const body = ttrpc.Response.encode({ status: { code, message } }).finish(true);
  return Buffer.concat([encodeHeader(body.length, { streamId, type: FRAME_RESPONSE, flags: 0 }), body]);
}

/** Field 1, a message of no bytes. */
const EMPTY_STATUS = Buffer.of(0x0a, 0);

/** Field 2, bytes of this length. */
function payloadTag(length: number): Buffer {
  const bytes = [0x12];
  let rest = length;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
